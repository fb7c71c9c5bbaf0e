"""Situations to practise before they happen: a lab that is hurt, a goal, and what came of it."""

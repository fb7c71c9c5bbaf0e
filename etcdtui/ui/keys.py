"""Every key, once. Footer, help and palette are made from these."""

from __future__ import annotations

from textual.binding import Binding


def _key(
    key: str, action: str, word: str, tooltip: str, *, show: bool = False, shown_as: str = ""
) -> Binding:
    return Binding(
        key, action, word, show=show, tooltip=tooltip, key_display=shown_as or None, id=f"etcdtui.{action}"
    )


DASHBOARD = [
    _key("b", "app.backup", "Backup", "Plan a backup; nothing runs before you said so", show=True),
    _key("R", "app.restore", "Restore…", "Should it be restored at all? Looks, says, plans", show=True),
    _key("m", "app.maintenance", "Maintain", "May the chosen member go down now?"),
    _key("u", "app.upload", "Upload", "Bring the last proven backup into stores that lack it", show=True),
    _key("H", "app.health", "Health", "Run etcdctl endpoint health, as by hand, and show its output"),
    _key("question_mark", "app.help", "Help", "All keys", show=True, shown_as="?"),
    _key("q", "app.leave", "Quit", "Leave; asks while a procedure runs", show=True),
    _key("1", "pane(1)", "Members", "Go to the members"),
    _key("2", "pane(2)", "Latency", "Go to the latencies"),
    _key("3", "pane(3)", "Backups", "Go to the backups"),
    _key("4", "pane(4)", "Findings", "Go to the findings"),
    _key("slash", "filter", "Filter", "Show only the rows that contain a word", shown_as="/"),
    _key("colon", "app.command_line", "Command", "Type a command: :backups, :health, :q", shown_as=":"),
    _key("f", "grow", "Maximise", "This pane alone, and back"),
    _key("p", "app.pause", "Pause", "Hold the picture still; collecting goes on"),
    _key("r", "app.refresh_now", "Refresh", "Ask every source now"),
    _key("y", "copy", "Copy", "Copy the row or the finding"),
    _key("J", "app.journal", "Journal", "What was done on this cluster; E in there exports it"),
    _key("E", "app.export", "Export", "Write the incident down as Markdown, with its timeline"),
    _key("at", "app.log", "Log", "Every command that ran on the hosts", shown_as="@"),
    _key("escape", "back", "Back", "Clear the filter, end the maximising; never anything else"),
]

MEMBERS = [
    _key(
        "x,space", "app.mark", "Mark", "Mark for removal, or unmark; removes nothing", show=True, shown_as="x"
    ),
    _key("X", "app.replace", "Replace", "Open the guide for the first marked member that may go"),
    _key("L", "app.lead", "Lead", "Let this member lead; the leader itself hands over. The plan comes first"),
]

_COMPARE = ("c", "compare", "Compare", "Compare it with another one, or with the cluster now")
_FIND = ("o", "find", "Object", "Look for an object in every backup that is here")
BACKUPS = [_key(*_COMPARE), _key(*_FIND)]  # at 80 columns the line of keys has no room for them

# Keys that every list and table has; told here once for the help.
LISTS = [
    ("enter", "everything known about the row"),
    ("j k ↑ ↓", "up and down"),
    ("g G", "first and last"),
    ("< > s", "sort by another column"),
    ("S", "turn the order"),
    ("tab shift+tab", "next and previous pane"),
    ("^p", "palette: all commands, themes"),
]

BACK = Binding("escape,q", "app.back", "Back", show=True, key_display="esc", tooltip="Back to where you were")
COPY = Binding("y", "copy", "Copy", show=True, tooltip="Copy what is shown")

PROCEDURE = [
    Binding("enter", "go", "Go", show=True, tooltip="Start, or pass the gate"),
    Binding("n", "choose('no')", "No", show=True, tooltip="Go on without this step"),
    Binding("r", "choose('retry')", "Retry", show=True, tooltip="Try the step again"),
    Binding("w", "choose('keep waiting')", "Wait", show=True, tooltip="Wait longer for the same"),
    Binding("x", "choose('skip')", "Skip…", show=True, tooltip="Go on without it; asks for the reason"),
    Binding("s", "choose('stop here')", "Stop", show=True, tooltip="Stop here; may be resumed"),
    Binding("c", "cancel", "Cancel…", show=True, tooltip="Says first what cancelling does"),
    Binding("y", "copy", "Copy", show=True, tooltip="Copy the step's exact command"),
    Binding("escape,q", "leave", "Back", show=True, key_display="esc", tooltip="It goes on running"),
]

BACKUP = [
    _key("b", "bring", "Bring", "Plan to bring it from its host, or a store, to this machine", show=True),
    _key("v", "prove", "Prove", "Read the files that are here from end to end again", show=True),
    _key("h", "rehearse", "Rehearse", "Restore it into a throw-away etcd on this machine", show=True),
    _key(*_COMPARE, show=True),
    _key(*_FIND, show=True),
]
FILTER = _key("slash", "filter", "Filter", "Show only what contains a word", show=True, shown_as="/")
STEP_BACK = Binding("escape,q", "step_back", "Back", show=True, key_display="esc", tooltip="One step back")
BACK_ESC = Binding("escape", "app.back", "Back", show=True, key_display="esc", tooltip="Back")
CHANGE = _key("slash", "change", "Other", "Look for something else", show=True, shown_as="/")
STOP = _key("x", "stop", "Stop", "Stop what is being read in the background", show=True)

RESTORE = [
    _key("enter", "go_on", "Backup…", "Choose what to restore from", show=True, shown_as="⏎"),
    _key("r", "again", "Again", "Ask every host again", show=True),
    _key("X", "replace", "Replace…", "The guide that replaces the member; the plan first", show=True),
    _key(
        "Q", "quorum", "Quorum…", "The plan that goes on with a survivor's data, without a backup", show=True
    ),
    _key("s", "start", "Start…", "Why the stopped member stands still, and what to do", show=True),
]
RESTORE_BACKUP = [
    _key("c", "compare", "Compare", "Compare it with the cluster as it is now", show=True),
    _key("d", "details", "Details", "Everything known about it; bring it here, prove it", show=True),
]
RESTORE_PLAN = [
    _key(
        "enter",
        "go_on",
        "Procedure…",
        "On to the procedure, which asks before it begins",
        show=True,
        shown_as="⏎",
    ),
    _key("e", "export", "Export", "Write the dry run as text, for your eyes alone", show=True),
]
PUT_BACK = _key("B", "put_back", "Put back…", "The way back from this restore; the plan first", show=True)

AGAIN = _key("r", "again", "Again", "Read it again", show=True)
EXPORT = _key("E", "app.export", "Export", "Write the incident down as Markdown", show=True)

HELP = _key("question_mark", "app.help", "Help", "All keys", show=True, shown_as="?")
COMMAND = _key("colon", "app.command_line", "Command", "Type a command", shown_as=":")

PAGE = [COPY, BACK, HELP, COMMAND]  # of every page of a restore

_NAMES = {"question_mark": "?", "slash": "/", "colon": ":", "at": "@", "escape": "esc"}


def shown(binding: Binding) -> str:
    """The key as a human writes it."""
    return " ".join(_NAMES.get(key, key) for key in binding.key.split(","))


HELP_HIDDEN = _key("question_mark", "app.help", "Help", "All keys", shown_as="?")

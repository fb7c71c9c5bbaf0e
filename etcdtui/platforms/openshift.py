"""How an OpenShift control plane does it: its host scripts, its files, its API objects."""

from etcdtui.platforms.host_answers import (
    HostAccess,
    parse_access,
    parse_env,
    parse_look,
    script_failed,
)
from etcdtui.platforms.host_scripts import access_script, article_health, article_lines, look_script
from etcdtui.platforms.objects import (
    collect,
    operator_word,
    parse_conditions,
    parse_nodes,
    parse_operators,
    parse_pods,
    parse_version,
)

__all__ = [
    "HostAccess",
    "access_script",
    "article_health",
    "article_lines",
    "collect",
    "look_script",
    "operator_word",
    "parse_access",
    "parse_conditions",
    "parse_env",
    "parse_look",
    "parse_nodes",
    "parse_operators",
    "parse_pods",
    "parse_version",
    "script_failed",
]

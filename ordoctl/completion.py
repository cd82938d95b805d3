"""Completion scripts, made from the grammar itself: they know every command, option and word it has, and start no process."""

import argparse
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["script"]


class _Command(Struct, frozen=True):
    """One command: `gtt place`, or "" for none yet."""

    path: str
    about: str
    words: tuple[str, ...]  # what may be typed next: commands, options, choices of positionals
    choices: dict[str, tuple[str, ...]]  # of options


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for bash, zsh or fish."""
    commands = list(_commands(parser, "", ""))
    match shell:
        case "bash":
            return _bash(commands)
        case "zsh":
            return _zsh(commands)
        case _:
            return _fish(commands)


def _commands(parser: argparse.ArgumentParser, path: str, about: str) -> Iterator[_Command]:
    words: list[str] = []
    choices: dict[str, tuple[str, ...]] = {}
    below: list[_Command] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            abouts = {a.dest: a.help or "" for a in action._choices_actions}
            for name, child in action.choices.items():
                words.append(name)
                below += _commands(child, f"{path} {name}".strip(), abouts.get(name, ""))
            continue
        names = tuple(str(choice) for choice in action.choices or ())
        if action.option_strings:
            words += [option for option in action.option_strings if option.startswith("--")]
            choices |= dict.fromkeys(action.option_strings, names) if names else {}
        else:
            words += names
    yield _Command(path, about, tuple(words), choices)
    yield from below


def _cases(commands: list[_Command]) -> str:
    """Of `$path` and `$prev`, the words in `$words`: the same in bash and zsh."""
    lines = ['  case "$path:$prev" in']
    for command in commands:
        lines += [
            f'    "{command.path}:{option}") words="{" ".join(names)}";;'
            for option, names in command.choices.items()
        ]
    lines += ['    *) case "$path" in']
    lines += [f'      "{c.path}") words="{" ".join(c.words)}";;' for c in commands]
    lines += ["    esac;;", "  esac"]
    return "\n".join(lines)


def _paths(commands: list[_Command]) -> str:
    return "|".join(f'"{command.path}"' for command in commands if command.path)


def _bash(commands: list[_Command]) -> str:
    return f"""# bash: source <(ordoctl completion bash)
_ordoctl() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" path="" words="" word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${{COMP_WORDS[i]}}"
    case "${{path:+$path }}$word" in
      {_paths(commands)}) path="${{path:+$path }}$word";;
    esac
  done
{_cases(commands)}
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o default -F _ordoctl ordoctl
"""


def _zsh(commands: list[_Command]) -> str:
    return f"""#compdef ordoctl
# zsh: source <(ordoctl completion zsh)
_ordoctl() {{
  local prev="${{words[CURRENT-1]}}" path="" word i typed=("${{words[@]}}")
  local words=""
  for ((i = 2; i < CURRENT; i++)); do
    word="${{typed[i]}}"
    case "${{path:+$path }}$word" in
      {_paths(commands)}) path="${{path:+$path }}$word";;
    esac
  done
{_cases(commands)}
  compadd -- ${{=words}} || _files
}}
compdef _ordoctl ordoctl
"""


def _fish(commands: list[_Command]) -> str:
    lines = ["# fish: ordoctl completion fish | source", "complete -c ordoctl -f"]
    for command in commands:
        when = _fish_condition(command, commands)
        for word in command.words:
            below = next((c for c in commands if c.path == f"{command.path} {word}".strip()), None)
            about = f" -d {_quoted(below.about)}" if below else ""
            if not word.startswith("--"):
                lines.append(f"complete -c ordoctl -n {when} -a {word}{about}")
                continue
            names = command.choices.get(word)
            values = f" -x -a {_quoted(' '.join(names))}" if names else ""
            lines.append(f"complete -c ordoctl -n {when} -l {word[2:]}{values}")
    return "\n".join(lines) + "\n"


def _fish_condition(command: _Command, commands: list[_Command]) -> str:
    if not command.path:
        return "__fish_use_subcommand"
    seen = [f"__fish_seen_subcommand_from {name}" for name in command.path.split()]
    below = [c.path.rpartition(" ")[2] for c in commands if c.path.startswith(f"{command.path} ")]
    if below:
        seen.append(f"not __fish_seen_subcommand_from {' '.join(below)}")
    return _quoted("; and ".join(seen))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

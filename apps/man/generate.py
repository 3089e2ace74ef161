#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes manual pages (scdoc's source) and completions from the programs' own tables of options.

    generate.py page TEMPLATE TABLES VERSION [SCDOC]     the template with its @OPTIONS PROGRAM@ and @COMMAND NAME@ lines filled in,
                                                         and with the program scdoc made a page for man
    generate.py bash|zsh|fish PROGRAM TABLES             a completion; all on standard output

TABLES is what describe.c prints. A template that leaves a subcommand out, or names one that there is not, is an error.
"""
import json
import re
import subprocess
import sys

FIXED = [
    {"name": "help", "letter": None, "argument": None, "help": "this text", "words": None},
    {"name": "version", "letter": None, "argument": None, "help": "the version", "words": None},
]
WORDS = re.compile(r"[a-z]+(\|[a-z]+)+")


def program_named(tables, name):
    return next(program for program in tables if program["name"] == name)


def options_of(program, command=None):
    """All that --help shows: a subcommand's own, then those of every command, then the two that are always there."""
    return (command["options"] if command else []) + program["options"] + FIXED


def kind_of(option):
    """What a value is completed with: words, a file, a directory, or nothing."""
    argument = option["argument"] or ""
    if option["words"]:
        return "words"
    return "directory" if argument == "DIR" else "file" if "FILE" in argument or argument == "STORE" else "nothing"


def arguments_of(command):
    """The words that a subcommand's argument can be."""
    return command["arguments"].split("|") if WORDS.fullmatch(command["arguments"]) else []


# ---- manual pages ------------------------------------------------------------------------------------------------------------------


def escape(text):
    """Text as scdoc takes it literally."""
    return re.sub(r"([\\*_#<>~]|^[-.])", r"\\\1", text)


def sentence(text, words=()):
    """A line of help as a sentence; one that begins with a word that the option takes leaves it as it is."""
    is_word = re.match(r"\w+", text) and re.match(r"\w+", text)[0] in words
    return (text[0] if is_word else text[0].upper()) + text[1:] + ("" if text.endswith(".") else ".")


def option_lines(option):
    argument = f" _{escape(option['argument'])}_" if option["argument"] else ""
    letter = f"*-{option['letter']}*, " if option["letter"] else ""
    yield f"{letter}*--{option['name']}*{argument}"
    words = (option["words"] or "").split("|")
    said = [escape(sentence(option["help"], words))]
    if not all(word in option["help"] for word in words):
        said.append("One of " + ", ".join(f"*{word}*" for word in words) + ".")
    if option.get("min") and not (option["min"] in option["help"] and option["max"] in option["help"]):
        open_end = len(option["max"]) > 14
        said.append(f"At least {option['min']}." if open_end else f"From {option['min']} to {option['max']}.")
    if option.get("repeated"):
        said.append("May be given more than once.")
    if option.get("fallback"):
        said.append(f"Default: {escape(option['fallback'])}.")
    if option.get("environment"):
        said.append(f"Environment: *{escape(option['environment'])}*.")
    yield "\t" + " ".join(said)
    yield ""


def fill(template, tables, version):
    commands = {command["name"]: command for program in tables for command in program["commands"]}
    left = set(commands) if "@COMMAND " in template else set()
    out = []
    keep, literal = True, False
    for line in template.replace("@VERSION@", version).splitlines():
        found = re.fullmatch(r"@(OPTIONS|COMMAND) ([\w-]+)@", line)
        if line == "@END@":
            keep = True
        elif line.startswith("@IF "):  # a subcommand that is not always built in
            keep = line[4:-1] in commands
        elif not keep:
            continue
        elif line == "```":
            literal = not literal
            out.append(line)
        elif not found:
            out.append(line.replace("\\", "\\\\") if literal else line)  # scdoc takes escapes there, too
        elif found[1] == "OPTIONS":
            for option in options_of(program_named(tables, found[2])):
                out += option_lines(option)
        else:
            command = commands[found[2]]
            left.remove(found[2])
            out += [f"## taskq {found[2]} {escape(command['arguments'])}".rstrip(), "", escape(sentence(command["help"])), ""]
            for option in command["options"]:
                out += option_lines(option)
    if left:
        raise SystemExit(f"generate.py: the page says nothing of {', '.join(sorted(left))}")
    if re.search(r"^@[A-Z]", "\n".join(out), re.MULTILINE):
        raise SystemExit("generate.py: a line of the template was not understood")
    return "\n".join(out) + "\n"


def rendered(scdoc, source):
    """The page in roff. That no word is to be broken has to be said behind the title, which sets it anew: a broken name cannot be searched."""
    page = subprocess.run([scdoc], input=source, stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.sub(r"^(\.TH .*)$", r"\1\n.nh", page, count=1, flags=re.MULTILINE)


# ---- bash --------------------------------------------------------------------------------------------------------------------------

BASH = """\
# shellcheck shell=bash
# Completion of {name} for bash. Made from the program's own table of options.
{function}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before='' command='' kind='words' options='' words=''
    local at=$((COMP_CWORD - 1))
    # "--name=value" comes as three words.
    if [[ $word == "=" ]]; then
        word=''
    elif [[ $at -ge 1 && ${{COMP_WORDS[at]}} == "=" ]]; then
        at=$((at - 1))
    fi
    if [[ $at -ge 1 ]]; then
        before=${{COMP_WORDS[at]}}
    fi
{commands}    case "$command $before" in
{values}    *) words=$options ;;
    esac
    COMPREPLY=()
    case $kind in
    words) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word") ;;
    file)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    directory)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        ;;
    esac
}}
complete -F {function} {name}
"""


def bash_values(option, command):
    """The case that completes an option's value."""
    names = [f"--{option['name']}"] + ([f"-{option['letter']}"] if option["letter"] else [])
    pattern = " | ".join(f'"{command} {name}"' if command is not None else f'*" {name}"' for name in names)
    kind = kind_of(option)
    does = f"words=\"{option['words'].replace('|', ' ')}\"" if kind == "words" else f"kind='{kind}'"
    return f"    {pattern}) {does} ;;\n"


def bash_dashes(options):
    return " ".join(f"--{option['name']}" for option in options)


def bash(program):
    commands, values = "", ""
    if program["commands"]:
        commands += "    if [[ $COMP_CWORD -gt 1 ]]; then\n        command=${COMP_WORDS[1]}\n    fi\n    case $command in\n"
        names = " ".join(command["name"] for command in program["commands"])
        commands += f'    "") options="{names} --help --version" ;;\n'
        for command in program["commands"]:
            words = " ".join(arguments_of(command) + [bash_dashes(options_of(program, command))])
            commands += f'    {command["name"]}) options="{words}" ;;\n'
            values += "".join(bash_values(option, command["name"]) for option in command["options"] if option["argument"])
        commands += "    esac\n"
    else:
        commands = f'    options="{bash_dashes(options_of(program))}"\n'
    values += "".join(bash_values(option, None) for option in program["options"] if option["argument"])
    return BASH.format(name=program["name"], function="_" + program["name"].replace("-", "_"), commands=commands, values=values)


# ---- zsh ---------------------------------------------------------------------------------------------------------------------------


def zsh_text(text, specials=r"\[\]:"):
    return re.sub(rf"([\\{specials}])", r"\\\1", text).replace("'", "'\\''")


def zsh_options(options):
    """The arguments of _arguments."""
    for option in options:
        value = ""
        if option["argument"]:
            kind = kind_of(option)
            action = {"words": f"({(option['words'] or '').replace('|', ' ')})", "file": "_files", "directory": "_files -/",
                      "nothing": " "}[kind]
            value = f":{zsh_text(option['argument'])}:{action}"
        dashes, equals = f"--{option['name']}", "=" if option["argument"] else ""
        told = f"[{zsh_text(option['help'])}]{value}"
        if option.get("repeated"):
            yield f"'*{dashes}{equals}{told}'"
        elif option["letter"]:
            short = f"-{option['letter']}" + ("+" if option["argument"] else "")
            yield f"'(-{option['letter']} {dashes})'{{{short},{dashes}{equals}}}'{told}'"
        else:
            yield f"'{dashes}{equals}{told}'"


def zsh(program):
    lines = [f"#compdef {program['name']}", f"# Completion of {program['name']} for zsh. Made from the program's own table of options."]
    if not program["commands"]:
        arguments = " \\\n    ".join(zsh_options(options_of(program)))
        return "\n".join(lines) + f"\n_arguments -s \\\n    {arguments}\n"
    told = "\n".join(f"    '{command['name']}:{zsh_text(command['help'])}'" for command in program["commands"])
    lines += ["local -a commands", "commands=(", told, ")",
              "if (( CURRENT == 2 )); then",
              "    _arguments -s " + " ".join(zsh_options(FIXED)) + " '1: :{_describe command commands}'",
              "    return", "fi", "local command=$words[2]", "shift words", "(( CURRENT-- ))", "case $command in"]
    for command in program["commands"]:
        words = arguments_of(command)
        rest = [f"'1: :({' '.join(words)})'"] if words else []
        arguments = " \\\n        ".join([*zsh_options(options_of(program, command)), *rest])
        lines.append(f"{command['name']})\n    _arguments -s \\\n        {arguments}\n    ;;")
    return "\n".join(lines + ["esac"]) + "\n"


# ---- fish --------------------------------------------------------------------------------------------------------------------------


def fish_text(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_option(name, condition, option):
    line = f"complete -c {name}"
    if condition:
        line += f" -n {fish_text(condition)}"
    line += f" -l {option['name']}" + (f" -s {option['letter']}" if option["letter"] else "")
    if option["argument"]:
        kind = kind_of(option)
        line += {"words": " -x -a " + fish_text((option["words"] or "").replace("|", " ")), "file": " -r -F",
                 "directory": " -x -a '(__fish_complete_directories)'", "nothing": " -x"}[kind]
    return line + f" -d {fish_text(option['help'])}"


def fish(program):
    name = program["name"]
    lines = [f"# Completion of {name} for fish. Made from the program's own table of options.", f"complete -c {name} -f"]
    if not program["commands"]:
        lines += [fish_option(name, None, option) for option in options_of(program)]
        return "\n".join(lines) + "\n"
    lines += ["function __taskq_command", "    set -l words (commandline -opc)", '    test "$words[2]" = "$argv[1]"', "end"]
    none = "test (count (commandline -opc)) -eq 1"
    lines += [fish_option(name, None, option) for option in FIXED]
    lines += [fish_option(name, f"not {none}", option) for option in program["options"]]
    for command in program["commands"]:
        here = f"__taskq_command {command['name']}"
        lines.append(f"complete -c {name} -n {fish_text(none)} -a {command['name']} -d {fish_text(command['help'])}")
        lines += [fish_option(name, here, option) for option in command["options"]]
        if arguments_of(command):
            lines.append(f"complete -c {name} -n {fish_text(here)} -a {fish_text(' '.join(arguments_of(command)))}")
    return "\n".join(lines) + "\n"


def main(what, first, tables_path, version=None, scdoc=None):
    with open(tables_path, encoding="utf-8") as file:
        tables = json.load(file)
    if what == "page":
        with open(first, encoding="utf-8") as file:
            source = fill(file.read(), tables, version)
        sys.stdout.write(rendered(scdoc, source) if scdoc else source)
    else:
        sys.stdout.write({"bash": bash, "zsh": zsh, "fish": fish}[what](program_named(tables, first)))


if __name__ == "__main__":
    main(*sys.argv[1:])

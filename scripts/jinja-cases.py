#!/usr/bin/env python3
"""Writes what dbt-core's own Jinja gives into src/models/jinja/tests/*.txt.

Needs a Python with dbt-core 1.10: python3 scripts/jinja-cases.py. Add a case as a line with a template alone, or with
anything behind its arrow, and run this: each template is rendered anew and the line rewritten. The end of a line within
a template is written as U+23CE; "M " begins a line of macros that the cases after it may call.
"""

import pathlib
import re
import warnings

from dbt import deprecations
from dbt.context import base
from dbt_common.clients import jinja
from dbt_common.exceptions.macros import MacroReturn

warnings.simplefilter("ignore")
deprecations.warn = lambda *_, **__: None
MODULES = base.get_context_modules()

# dbt renames every macro of a file it parses, so that none can be called from the file itself. The cases may.
renames = True
jinja.get_dbt_macro_name = lambda name: f"dbt_macro__{name}" if renames else name


class Macro:
    def __init__(self, name, text):
        self.name, self.macro_sql = name, text


def give(data=None):
    raise MacroReturn(data)


def context(macros):
    names = {"modules": MODULES, "return": give, "d": {}}
    for found in re.finditer(r"\{%-? macro (\w+)\(.*?\{%-? ?endmacro ?-?%\}", macros, re.S):
        names[found[1]] = jinja.CallableMacroGenerator(Macro(found[1], found[0]), names)
    return names


def rendered(template, macros):
    global renames
    try:
        renames = False
        compiled = jinja.get_environment().from_string(template, globals=context(macros))
        renames = True
        return f" {compiled.render({})}"
    except Exception:
        return "!"
    finally:
        renames = True
        jinja.template_cache.clear()


def main():
    folder = pathlib.Path(__file__).parent.parent / "src/models/jinja/tests"
    for file in sorted(folder.glob("*.txt")):
        macros, lines = "", []
        for line in file.read_text().splitlines():
            if line.startswith("M "):
                macros = line[2:].replace("\u23ce", "\n")
            elif line and not line.startswith("# "):
                template = re.split(r" \u21d2[ !]", line)[0]
                text = template + " \u21d2" + rendered(template.replace("\u23ce", "\n"), macros)
                line = text.replace("\n", "\u23ce")
            lines.append(line)
        file.write_text("\n".join(lines) + "\n")


main()

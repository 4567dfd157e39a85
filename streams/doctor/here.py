"""What is on this machine: the state directory, the rules and the parameters."""

import os
import tempfile
from pathlib import Path

from agents.rulebook.rules import RulesError, load_rules
from streams.doctor.check import Finding, well, wrong
from streams.doctor.patient import Patient
from tables.parameters import ParametersError, load_parameters


def state_directory(patient: Patient) -> Finding:
    folder = patient.settings.state_dir
    there = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
    advice = "make it writable for this user, or set OFFBEAT_STATE_DIR to a directory that is"
    if not there.is_dir():
        return wrong(f"{there} is not a directory", advice)
    if there != folder:
        if os.access(there, os.W_OK | os.X_OK):
            return well(f"{folder} will be made")
        return wrong(f"{folder} is missing and {there} is not writable", advice)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"offbeat")
            file.flush()
    except OSError as error:
        return wrong(f"{folder} cannot be written to: {error.strerror}", advice)
    return well(f"{folder} is writable")


def rules(patient: Patient) -> Finding:
    file = patient.settings.rules
    if file is None:
        return well("the defaults: no file is set")
    try:
        warnings = list(load_rules(file).warnings())
    except RulesError as error:
        return wrong(str(error), "mend that line; offbeat rules check FILE tells the next one")
    if warnings:
        return well(f"{file} is valid; note: {'; '.join(warnings)}", "mend it, unless it is meant so")
    return well(f"{file} is valid")


def parameters(patient: Patient) -> Finding:
    file = patient.settings.parameters
    if file is None or str(file) == "builtin":
        return well("the built-in ones: no file is set")
    try:
        load_parameters(file)
    except ParametersError as error:
        return wrong(str(error), "mend the file, or set OFFBEAT_PARAMETERS to another")
    return well(f"{file} is valid")

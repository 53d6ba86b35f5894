"""Keys and passwords that somebody typed where they are recorded: found and blotted out before anything is written.

Known are those that look like one (`ffnn.tracking.key_forms`), and passwords that this machine holds, in its
environment and its .netrc.
"""

import functools
import html
import json
import netrc
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from ffnn.synonyms import SYNONYMS, plain_name
from ffnn.tracking import key_forms as forms

HIDDEN = "***"
KEY_IN_NAME = "expected it without a key or password, as it stands in every record; leave that out"
"""Of what must be used as it is: blotted out, it would name something else. What was received is not shown."""

WELL_KNOWN = (
    "administrator", "changeme", "default", "docker", "example", "mariadb", "mongodb", "passwd", "password", "passwort",
    "postgres", "postgresql", "secret", "testing", "username",
)  # fmt: skip
"""Passwords that programs come with, in every list: as secrets they are worth nothing, as words they are needed."""

PLAIN_NAME = re.compile(r"[a-z_]{4,22}\d{0,2}")
"""What a name of ffnn's looks like."""

SHORTEST = 4
"""Letters of a text that could hold a key at all."""


def redact(text: str, environ: Mapping[str, str] = os.environ, long_words: bool = True) -> str:
    """The text with ``***`` for everything that looks like a key.

    Secrets of `environ` are known: the values of variables named like one, and passwords in URLs. With `long_words`,
    words of 40 letters and digits or more are keys, too; not so where digests and paths are.

    Examples
    --------
    >>> redact("wrong key 0123456789abcdef0123456789abcdef01234567, my-password", {"DB_PASSWORD": "my-password"})
    'wrong key ***, ***'
    >>> redact("postgresql://me:pw@host/db?sslmode=off password=x learning_rate=0.1", {})
    'postgresql://me:***@host/db?sslmode=off password=*** learning_rate=0.1'
    """
    return text if len(text) < SHORTEST else _redacted(text, _secrets(environ), long_words)


@functools.lru_cache(maxsize=4096)
def _redacted(text: str, secrets: tuple[str, ...], long_words: bool) -> str:
    """Most settings of 50,000 runs are the same ones; short texts take a fiftieth of a millisecond each."""
    for value in secrets:
        text = _without(text, value)
    text = forms.URL_TOKEN.sub(HIDDEN, forms.URL_PASSWORD.sub(rf"\1{HIDDEN}", text))
    if forms.MAY_ASSIGN.search(text):
        text = forms.assignments().sub(_blotted, text)
    if not forms.MAY_BE_LONG.search(text):
        return text
    for rule in (forms.TOKENS, *forms.token_rules(), *([forms.LONG_WORD] if long_words else [])):
        text = rule.sub(HIDDEN, text)
    return text


def redact_values(value: Any) -> Any:
    """Plain values with every text in them redacted, and every text whose name is one of a secret.

    Examples
    --------
    >>> redact_values({"secret": "my word", "seed": 3, "notes": ["pw=x"]})
    {'secret': '***', 'seed': 3, 'notes': ['pw=***']}
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if isinstance(part, str) and _names_secret(name, part) else redact_values(part)
            for name, part in value.items()
        }
    return [redact_values(part) for part in value] if isinstance(value, list | tuple) else value


def key_fault(name: str, environ: Mapping[str, str] = os.environ, long_words: bool = True) -> str:
    """Why a name may not be used, if it has in it what looks like a key; else empty.

    Where it is the secret of an environment variable, that is named, as nobody would guess it.

    Examples
    --------
    >>> key_fault("adam-2024", {})
    ''
    >>> key_fault("by-hunter2", {"DB_PASSWORD": "hunter2"}).partition("; ")[2]
    'leave that out: it holds what the environment variable DB_PASSWORD holds'
    """
    if redact(name, environ, long_words) == name:
        return ""
    for variable, value in environ.items():
        if any(_without(name, secret) != name for secret in _longest_first(tuple(_secrets_of(variable, value)))):
            return f"{KEY_IN_NAME}: it holds what the environment variable {variable} holds"
    return KEY_IN_NAME


def without_secrets(arguments: Iterable[str]) -> list[str]:
    """Command-line arguments with the value of every option named like a secret replaced by ``***``.

    Examples
    --------
    >>> without_secrets(["train", "--api-key=abc", "--token", "abc", "--epochs=3"])
    ['train', '--api-key=***', '--token', '***', '--epochs=3']
    """
    clean = []
    hide_next = False
    for argument in arguments:
        option = forms.SECRET_OPTION.fullmatch(argument)
        if option:
            clean.append(option[1] + (_hidden(option[1], option[2]) if option[1].endswith("=") else ""))
        else:
            clean.append(_hidden(clean[-1], argument) if hide_next and not argument.startswith("-") else argument)
        hide_next = option is not None and not option[1].endswith("=")
    return clean


def _hidden(name: str, value: str) -> str:
    """What is written in place of the value of a secret's name: itself where it is no secret."""
    word = value.strip("\\'\"")
    number = forms.NUMBER.fullmatch(word) and not (forms.PASSWORD.search(name) and word.isdigit() and len(word) >= 4)
    folder = name.rstrip("=: ") in ("PWD", "OLDPWD") and forms.FOLDER.match(word)
    in_sentence = name.endswith(" ") and "--" in name and forms.SENTENCE.fullmatch(word)
    return value if number or folder or in_sentence or forms.NOTHING.fullmatch(word) else HIDDEN


def _blotted(match: re.Match[str]) -> str:
    return match[1] + _hidden(match[1], match[0][len(match[1]) :])


def _names_secret(name: Any, value: str) -> bool:
    return bool((match := forms.assignments().match(f"{name}={value}")) and _blotted(match) != match[0])


def _without(text: str, value: str) -> str:
    """Long values go wherever they are, a short one, or one of letters alone, only where it is a word."""
    if len(value) >= 8 and not value.isalpha():
        return text.replace(value, HIDDEN)
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])", HIDDEN, text)


def _secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets that this machine holds, the longest first, as one may be the beginning of another."""
    # os.environ decodes anew whenever it is read, a tenth of a millisecond; a plan of 50,000 runs asks 200,000 times.
    raw = getattr(environ, "_data", environ)
    place, secrets = _in_variables(tuple(raw.items()))
    passwords = _of_netrc(place) if place else ()
    return _longest_first(secrets + passwords)


@functools.lru_cache(maxsize=8)
def _in_variables(raw: tuple[tuple[Any, Any], ...]) -> tuple[str, tuple[str, ...]]:
    """The place of the .netrc, empty without one, and the secrets."""
    variables = {os.fsdecode(name): os.fsdecode(value) for name, value in raw}
    place = variables.get("NETRC") or (f"{variables['HOME']}/.netrc" if variables.get("HOME") else "")
    return place, tuple(set().union(*(_secrets_of(name, value) for name, value in variables.items())))


def _secrets_of(name: str, value: str) -> set[str]:
    """What of an environment variable is secret: all of it, or passwords and tokens in it."""
    secrets = {value} if _is_secret(name, value) else set()
    secrets |= {match[0] for match in forms.URL_TOKEN.finditer(value)}
    secrets |= {match[1] for match in forms.CONNECTION.finditer(value)}
    return secrets | {form for match in forms.URL_PASSWORD.finditer(value) for form in (match[2], unquote(match[2]))}


def _is_secret(name: str, value: str) -> bool:
    """Whether an environment variable holds a secret: its name ends like one, and its value could be one."""
    for names, values in forms.SECRET_VARIABLES:
        if re.search(names, name, re.IGNORECASE):
            return bool(re.match(values, value, re.DOTALL)) and not forms.FOLDER.match(value)
    return False


@functools.lru_cache(maxsize=8)
def _longest_first(secrets: tuple[str, ...]) -> tuple[str, ...]:
    written = {form for secret in filter(_could_be_hidden, secrets) for form in _written(secret)}
    return tuple(sorted(written, key=len, reverse=True))


def _written(secret: str) -> set[str]:
    """A secret as it is, and as Python, JSON, YAML, HTML and a shell write it within quotes."""
    return {
        secret, repr(f'"{secret}')[2:-1], repr(f"'{secret}")[2:-1], json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret), html.escape(secret, quote=False),
        secret.replace("'", "''"), secret.replace("'", "'\"'\"'"),
    }  # fmt: skip


def _could_be_hidden(value: str) -> bool:
    """Whether a value can be blotted out without blotting out ordinary short words and numbers."""
    if len(value) < (6 if value.isalpha() else 8 if value.isdigit() else 4):
        return False
    plain = plain_name(value)
    # Those names are imported only for what could be one of them, which few secrets could.
    return plain not in WELL_KNOWN and not (PLAIN_NAME.fullmatch(plain) and plain in _names_of_ffnn())


@functools.cache
def _names_of_ffnn() -> frozenset[str]:
    """What ffnn calls things: somebody's password may be one of them, and no message could do without it."""
    from ffnn.data import DATASETS
    from ffnn.nn import ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES

    registries = (DATASETS, ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES)
    return frozenset(plain_name(name) for names in (SYNONYMS, *registries) for name in names)


def _of_netrc(path: str) -> tuple[str, ...]:
    try:
        return _passwords(path, os.stat(path).st_mtime_ns)  # noqa: PTH116  a Path takes as long as all the rest
    except OSError:
        return ()


@functools.cache
def _passwords(path: str, changed: int) -> tuple[str, ...]:
    """The passwords of a .netrc; none where it is none."""
    try:
        return tuple(password for _, _, password in netrc.netrc(path).hosts.values() if password)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return ()

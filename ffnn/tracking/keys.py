"""Keys and passwords that somebody typed where they are recorded: found and blotted out before anything is written.

What a key looks like is known to detect-secrets, whose rules are used; what is added is what it leaves out: passwords
that this machine holds, in its environment and its .netrc, and assignments in running text.
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

SECRET_VARIABLES = (
    (r"passw|(?:passphrase|secret|credentials?|(?<!com)(?<!by)pass|pw|(?<!^)(?<!^old)pwd)_?\d*$", r""),
    (r"(?:(?:^|_)auth|(?:api|access|secret|private|service|account|auth)_?(?:key|token))_?\d*$", r".*[^A-Za-z]"),
    (r"(?:key|token)_?\d*$", r"(?=.*\d)[^\s,]{8,}$"),
)
"""Names of environment variables, and what the value of one so named looks like where it is a secret: a CACHE_KEY may
be a word or a list. PWD and OLDPWD are folders."""

FOLDER = re.compile(r"(?:~|\.{1,2})(?:/|$)|/(?:[A-Za-z]+/|[a-z]+$)|[A-Za-z]:\\")
"""How a path begins: no secret, whatever the variable is called. A key in base64 may begin with a slash, too."""

SECRET_OPTION = re.compile(
    r"(--?[\w-]*(?:key|token|secret|passw\w*|passphrase|pass|pw|pwd|auth|credentials?)\d*=?)((?<==).*|)",
    re.IGNORECASE | re.DOTALL,
)

# What stands for no secret, in words and in numbers; and what follows the name of an option in a sentence.
NOTHING = re.compile(r"none|null|nil|true|false|yes|no|on|off|unset|\*+", re.IGNORECASE)
NUMBER = re.compile(r"[-+]?(?=.{1,12}$)[\d_,]*\.?\d+(?:e[-+]?\d+)?%?", re.IGNORECASE)
SENTENCE = re.compile(r"is|was|are|has|had|needs?|and|or|to|in|for|of|with|from|the|as|at|not|option|setting|must|may")
PASSWORD = re.compile(r"pass|pw", re.IGNORECASE)
"""Names after which four digits or more are a secret: after a token or a key, they are a size."""

# A user may be left out, and what people type as a password holds "/" and "@", too; a port is no password.
URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@?#]*:)(?!\d{1,5}(?:/|$))(\S+)(?=@)")

# A token in the place of the user, which no user's name has: eight letters with a digit on the web, 16 elsewhere.
URL_TOKEN = re.compile(
    r"(?:(?:(?<=http://)|(?<=https://))(?=[^\s/@]*\d)[^\s:/@?#]{8,}|(?<=://)(?=[^\s/@]*\d)[^\s:/@?#]{16,})(?=@)"
)

CONNECTION = re.compile(
    r"(?<![^;\s])(?:AccountKey|SharedAccessKey|SharedAccessSignature|password|pwd)\s*=\s*([^;\s]+)", re.IGNORECASE
)
"""The secret of a connection string, such as `AccountName=me;AccountKey=...`."""

# What detect-secrets 1.5 does not know, or only of one length: Hugging Face, OpenAI and its like, GitHub's newer form,
# GitLab, Slack, npm, Google, Stripe's for tests, Shopify, Databricks, Heroku, Square, and the end of a JSON web token.
TOKENS = re.compile(
    r"(?<![A-Za-z0-9])(?:hf_(?=[a-z]*[A-Z\d])[A-Za-z0-9]{16,}|sk-(?:[a-z0-9]{2,8}-)?[A-Za-z0-9]{16,}[\w-]*"
    r"|github_pat_\w{12,}"
    r"|gh[oprsu]_[A-Za-z0-9]{12,}|gl(?:pat|dt|ft|rt|soat|cbt|imt|ptt|agent|oas)-[\w-]{12,}|xox[a-z]-[\w-]{6,}"
    r"|npm_[A-Za-z0-9]{20,}|AIza[\w-]{30,}|GOCSPX-[\w-]{12,}|[prs]k_(?:test|live)_(?=[A-Za-z]*\d)[A-Za-z0-9]{10,}"
    r"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{16,}|dapi[0-9a-f]{32}(?:-\d)?|HRKU-[\w-]{12,}|sq0[a-z]{3}-[\w-]{12,}"
    r"|eyJ[\w-]{6,}\.[\w=-]{6,}(?:\.[\w.=+/-]*)?)"
)

MAY_ASSIGN, MAY_BE_LONG = re.compile(r"[=:]|login|--|bearer", re.IGNORECASE), re.compile(r"\S{10}")
"""Without which there is no assignment and no token: most texts need no further look."""

# The old form of W&B's keys has 40 letters of hexadecimal digits, the new one more. Names with hyphens have no such
# long words in them, and a digest says what it is.
LONG_WORD = re.compile(
    r"(?<![\w-])(?!(?<=sha256[:=])[0-9a-f]{64}(?![\w-]))"
    r"(?=[\w-]*\d)(?=[\w-]*[A-Za-z])(?=[\w-]*[A-Za-z0-9]{16})[\w-]{40,}(?![\w-])"
)

PLUGINS = (
    "aws.AWSKeyDetector", "azure_storage_key.AzureStorageKeyDetector", "basic_auth.BasicAuthDetector",
    "discord.DiscordBotTokenDetector", "github_token.GitHubTokenDetector", "gitlab_token.GitLabTokenDetector",
    "jwt.JwtTokenDetector", "mailchimp.MailchimpDetector", "npm.NpmDetector", "openai.OpenAIDetector",
    "pypi_token.PypiTokenDetector", "sendgrid.SendGridDetector", "slack.SlackDetector",
    "square_oauth.SquareOAuthDetector", "stripe.StripeDetector", "telegram_token.TelegramBotTokenDetector",
    "twilio.TwilioKeyDetector",
)  # fmt: skip
"""Of detect-secrets: those that know a key by its form. Entropy would blot out digests, which ffnn needs."""


def redact(text: str, environ: Mapping[str, str] = os.environ, long_words: bool = True) -> str:
    """The text with ``***`` for everything that looks like a key.

    Parameters
    ----------
    text : str
    environ : mapping
        Whose secrets are known: the values of variables named like one, and passwords in URLs.
    long_words : bool, default True
        Whether words of 40 letters and digits or more are keys, too. Not where digests and paths are.

    Examples
    --------
    >>> redact("wrong key 0123456789abcdef0123456789abcdef01234567, my-password", {"DB_PASSWORD": "my-password"})
    'wrong key ***, ***'
    >>> redact("postgresql://me:pw@host/db?sslmode=off password=x learning_rate=0.1", {})
    'postgresql://me:***@host/db?sslmode=off password=*** learning_rate=0.1'
    """
    return text if len(text) < SHORTEST else _redacted(text, _known(environ), long_words)


@functools.lru_cache(maxsize=4096)
def _redacted(text: str, known: tuple[str, ...], long_words: bool) -> str:
    """Most settings of 50,000 runs are the same ones; short texts take a fiftieth of a millisecond each."""
    for value in known:
        text = _without(text, value)
    text = URL_TOKEN.sub(HIDDEN, URL_PASSWORD.sub(rf"\1{HIDDEN}", text))
    if MAY_ASSIGN.search(text):
        text = _assignments().sub(_blotted, text)
    if not MAY_BE_LONG.search(text):
        return text
    for rule in (TOKENS, *_rules(), *([LONG_WORD] if long_words else [])):
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
        option = SECRET_OPTION.fullmatch(argument)
        if option:
            clean.append(option[1] + (_hidden(option[1], option[2]) if option[1].endswith("=") else ""))
        else:
            clean.append(_hidden(clean[-1], argument) if hide_next and not argument.startswith("-") else argument)
        hide_next = option is not None and not option[1].endswith("=")
    return clean


def _hidden(name: str, value: str) -> str:
    """What is written in place of the value of a secret's name: itself where it is no secret."""
    told = value.strip("\\'\"")
    number = NUMBER.fullmatch(told) and not (PASSWORD.search(name) and told.isdigit() and len(told) >= 4)
    folder = name.rstrip("=: ") in ("PWD", "OLDPWD") and FOLDER.match(told)
    word = name.endswith(" ") and "--" in name and SENTENCE.fullmatch(told)
    return value if number or folder or word or NOTHING.fullmatch(told) else HIDDEN


def _blotted(match: re.Match[str]) -> str:
    return match[1] + _hidden(match[1], match[0][len(match[1]) :])


def _names_secret(name: Any, value: str) -> bool:
    return bool((match := _assignments().match(f"{name}={value}")) and _blotted(match) != match[0])


def _without(text: str, value: str) -> str:
    """Long values go wherever they are, a short one, or one of letters alone, only where it is a word."""
    if len(value) >= 8 and not value.isalpha():
        return text.replace(value, HIDDEN)
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])", HIDDEN, text)


def _known(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets that this machine holds, the longest first, as one may be the beginning of another."""
    # os.environ decodes anew whenever it is read, a tenth of a millisecond; a plan of 50,000 runs asks 200,000 times.
    raw = getattr(environ, "_data", environ)
    place, own = _in_variables(tuple(raw.items()))
    passwords = _of_netrc(place) if place else ()
    return _longest_first(own + passwords)


@functools.lru_cache(maxsize=8)
def _in_variables(raw: tuple[tuple[Any, Any], ...]) -> tuple[str, tuple[str, ...]]:
    """The place of the .netrc, empty without one, and the secrets."""
    variables = {os.fsdecode(name): os.fsdecode(value) for name, value in raw}
    place = variables.get("NETRC") or (f"{variables['HOME']}/.netrc" if variables.get("HOME") else "")
    return place, tuple(set().union(*(_secrets_of(name, value) for name, value in variables.items())))


def _secrets_of(name: str, value: str) -> set[str]:
    """What of an environment variable is secret: all of it, or passwords and tokens in it."""
    found = {value} if _is_secret(name, value) else set()
    found |= {match[0] for match in URL_TOKEN.finditer(value)} | {match[1] for match in CONNECTION.finditer(value)}
    return found | {form for match in URL_PASSWORD.finditer(value) for form in (match[2], unquote(match[2]))}


def _is_secret(name: str, value: str) -> bool:
    """Whether an environment variable holds a secret: its name ends like one, and its value could be one."""
    for names, values in SECRET_VARIABLES:
        if re.search(names, name, re.IGNORECASE):
            return bool(re.match(values, value, re.DOTALL)) and not FOLDER.match(value)
    return False


@functools.lru_cache(maxsize=8)
def _longest_first(secrets: tuple[str, ...]) -> tuple[str, ...]:
    forms = {form for secret in filter(_could_be_told, secrets) for form in _written(secret)}
    return tuple(sorted(forms, key=len, reverse=True))


def _written(secret: str) -> set[str]:
    """A secret as it is, and as Python, JSON, YAML, HTML and a shell write it within quotes."""
    return {
        secret, repr(f'"{secret}')[2:-1], repr(f"'{secret}")[2:-1], json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret), html.escape(secret, quote=False),
        secret.replace("'", "''"), secret.replace("'", "'\"'\"'"),
    }  # fmt: skip


def _could_be_told(value: str) -> bool:
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


@functools.cache
def _rules() -> tuple[re.Pattern[str], ...]:
    """The forms of keys; importing them takes a tenth of a second, once."""
    from importlib import import_module

    found: list[re.Pattern[str]] = []
    for name in PLUGINS:
        module, _, plugin = name.partition(".")
        found += getattr(import_module(f"detect_secrets.plugins.{module}"), plugin)().denylist
    return tuple(found)


@functools.cache
def _assignments() -> re.Pattern[str]:
    """A name of a secret with a value: `api_key=x`, `"password": "x"`, `--token x`, `Authorization: Bearer x`; and a
    .netrc in one line.

    Quotes may be escaped, as they are where a text was quoted as a whole, and end in their line, before the next
    quoted value. What ends a clause belongs to no value.
    """
    from detect_secrets.plugins.keyword import DENYLIST

    more = ("access_?key", "secret_?key", "passphrase", "token", "(?<=_)pass", "credentials?")
    names = "|".join([*DENYLIST, *more]).replace("_?key", "[ _-]?key").replace("_?", "[_-]?")
    about = r"(?:metric|name|size|length|count|file|path|dir|type)\b"
    name = rf"[\w-]*?(?:{names})(?:[_-](?!{about})\w+|\d+)?"
    short = r"(?:[\w-]*[_-])?(?:pass|pw|auth)"
    quote = r"(?:'\"'\"'|\\+[\"']|[\"']|&(?:quot|#x27|#39|#34);)"
    bare = r"(?:[^\s&'\"]|(?<=\w)['\"](?=\w))+?(?=[:;,.)\]}\\]{0,3}(?:[\s&]|(?<!\w)['\"]|['\"](?!\w)|$))"
    return re.compile(
        rf"((?<![\w-])(?:{name}{quote}?\s*(?::=|=|:(?!//))|{short}{quote}?\s*=)\s*"
        rf"|(?<![\w-])(?=[\w-]*--){name}\s+(?!-)"
        rf"|\bauthorization{quote}?\s*[:=]\s*{quote}?(?:(?:basic|bearer|digest|token)\s+)?"
        rf"|\bbearer\s+(?=[^\s\d]*\d)(?=\S{{8}})|\blogin\s+\S+\s+password\s+)"
        rf"(?:({quote})(?!\2)(?:(?![=:]\s*{quote}).)+?(?<!\\)\2|{quote}?{bare})",
        re.IGNORECASE,
    )

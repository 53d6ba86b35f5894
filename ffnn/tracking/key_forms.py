"""What keys and passwords look like: in a variable, an option, a URL, an assignment, and by themselves.

Keys by themselves are known to detect-secrets, whose rules are used; what is added is what it leaves out.
"""

import functools
import re

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


@functools.cache
def token_rules() -> tuple[re.Pattern[str], ...]:
    """The forms of keys; importing them takes a tenth of a second, once."""
    from importlib import import_module

    rules: list[re.Pattern[str]] = []
    for name in PLUGINS:
        module, _, plugin = name.partition(".")
        rules += getattr(import_module(f"detect_secrets.plugins.{module}"), plugin)().denylist
    return tuple(rules)


@functools.cache
def assignments() -> re.Pattern[str]:
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

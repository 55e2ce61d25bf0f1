"""One parser of addresses, whose result feeds check, header and RCPT (threat B1).

An `Address` is a local part and a domain that were read once; the wire is written from
these, never from what the caller wrote, and reading the wire again gives the same
address.  Nothing is repaired: comments, groups, routes, angle brackets, white space
around it and text that is not in NFC are refused.

Rules: RFC 5321 §4.1.2 and §4.5.3.1 (sizes), without address literals and with at
least two labels; RFC 6531 §3.3 for what is not ASCII (email-validator knows which
code points make sense there); UTS 46, non-transitional, for the domain.  Sizes are
looked at before anything is encoded, since encoding is not linear.
"""

from __future__ import annotations

import re
import unicodedata

import email_validator
import idna

from postroom_server.domain.values import value

MAX_ADDRESS = 254
"""Octets of the whole address with the domain as A-label (RFC 5321 §4.5.3.1.3)."""
MAX_LOCAL = 64
MAX_LABEL = 63


class AddressProblem(ValueError):
    """Why a text is no address, as one sentence that does not repeat the text."""


@value(frozen=True, slots=True)
class Address:
    """An addr-spec that was found valid.

    *given* is what the caller wrote; *local* is the local part as it goes on the wire
    (quoted only where it must be); *domain* is the A-label form, lower case.
    """

    given: str
    local: str
    domain: str

    @property
    def wire(self) -> str:
        """The address as RCPT TO has it, without angle brackets."""
        return f"{self.local}@{self.domain}"

    @property
    def shown(self) -> str:
        """The address as headers have it: the wire's, but for the domain's case."""
        if self.given == self.wire:
            return self.given
        domain = self.given[-len(self.domain) :]
        if domain.isascii() and domain.lower() == self.domain:
            return f"{self.local}@{domain}"
        return self.wire

    @property
    def key(self) -> str:
        """Equal for addresses that are one envelope recipient."""
        return self.wire

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a relay with SMTPUTF8 can take it (RFC 6531)."""
        return not self.local.isascii()


_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
# What nearly all addresses look like; "--" is left to IDNA (RFC 5891 §4.2.3.1).
_PLAIN = re.compile(rf"({_DOT_ATOM.pattern})@((?!.*--){_HOST.pattern})")
_DOT_ATOM_UTF8 = re.compile(
    r"[^\x00-\x20()<>\[\]:;@\\,.\"\x7f]+(?:\.[^\x00-\x20()<>\[\]:;@\\,.\"\x7f]+)*"
)
# RFC 5321 §4.1.2: a backslash quotes printable ASCII only.
_QUOTED = re.compile(r'"((?:[^"\\]|\\[ -~])*)"@(.*)', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)")
_ESCAPED_IN_QUOTES = re.compile(r'(["\\])')

# Controls, line separators, what turns the direction of text, lone surrogates.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff]"
)
# Code points that show nothing (Unicode: default ignorable), so that two addresses
# that look the same are the same.  The joiners are IDNA's to judge, by context.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# What looks like an encoded word (RFC 2047): some readers decode it before they parse,
# and then see another address.
_ENCODED_WORD = re.compile(r"=\?.*\?=")
_RIGHT_TO_LEFT = {"R", "AL", "AN"}


def parse_address(text: str) -> Address:
    """The address that *text* is; raises `AddressProblem` where it is none."""
    if len(text) > MAX_ADDRESS:
        raise AddressProblem(f"The address is longer than {MAX_ADDRESS} octets.")
    plain = _PLAIN.fullmatch(text)
    if plain is None:
        return _parse(text)
    local, domain = plain.groups()
    return _checked(Address(text, local, domain.lower()))


def _parse(text: str) -> Address:
    _refuse_at_sight(text)
    if text.startswith('"'):
        quoted = _QUOTED.fullmatch(text)
        if quoted is None:
            raise AddressProblem("The quoted local part does not end in '\"@'.")
        local = _quoted_local(_QUOTED_PAIR.sub(r"\1", quoted[1]))
        domain = quoted[2]
    else:
        given_local, at, domain = text.partition("@")
        if not at:
            raise AddressProblem('The address has no "@".')
        local = _unquoted_local(given_local)
    return _checked(Address(text, local, _domain(domain)))


def _refuse_at_sight(text: str) -> None:
    if not text:
        raise AddressProblem("The address is empty.")
    if _FORBIDDEN.search(text):
        raise AddressProblem("The address contains a control character.")
    if _INVISIBLE.search(text):
        raise AddressProblem("The address contains an invisible character.")


def _unquoted_local(local: str) -> str:
    if not local:
        raise AddressProblem('The address has nothing before the "@".')
    if not _DOT_ATOM_UTF8.fullmatch(local):
        raise AddressProblem(
            "The local part may hold letters, digits and !#$%&'*+-/=?^_`{|}~, and "
            "single dots between them; anything else only in quotes."
        )
    return _sensible(local)


def _quoted_local(content: str) -> str:
    """The minimal form of the local part that quotes *content* (RFC 5321 §4.1.2)."""
    if not content:
        raise AddressProblem("The quoted local part is empty.")
    if _DOT_ATOM_UTF8.fullmatch(content):
        return _sensible(content)
    return _sensible('"' + _ESCAPED_IN_QUOTES.sub(r"\\\1", content) + '"')


def _sensible(local: str) -> str:
    if local.isascii():
        return local
    if not unicodedata.is_normalized("NFC", local):
        raise AddressProblem(
            "The local part is not in Unicode normalization form C (RFC 6532)."
        )
    try:
        email_validator.validate_email(
            f"{local}@example.org", allow_quoted_local=True, check_deliverability=False
        )
    except email_validator.EmailNotValidError as error:
        raise AddressProblem(str(error)) from None
    return local


def _domain(given: str) -> str:
    if not given:
        raise AddressProblem('The address has nothing after the "@".')
    if "@" in given:
        raise AddressProblem('The address has more than one "@".')
    if given.startswith("["):
        raise AddressProblem("Address literals are not accepted, only domain names.")
    if any(len(label) > MAX_LABEL for label in given.split(".")):
        raise AddressProblem(f"A label of the domain is over {MAX_LABEL} octets long.")
    domain = given.lower()
    if not domain.isascii() or "--" in domain:
        domain = _a_label(given)
    if not _HOST.fullmatch(domain):
        raise AddressProblem(_why_no_host(domain))
    return domain


def _why_no_host(domain: str) -> str:
    labels = domain.split(".")
    if "" in labels:
        return "The domain has an empty label."
    if len(labels) == 1:
        return "The domain must have at least two labels."
    return "A label of the domain must be letters, digits and inner hyphens."


def _a_label(domain: str) -> str:
    try:
        encoded = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii")
        _refuse_mixed_direction(idna.decode(encoded))
    except UnicodeError:
        raise AddressProblem("The domain is not valid under IDNA 2008.") from None
    return encoded.lower()


def _refuse_mixed_direction(domain: str) -> None:
    # RFC 5893 §1.4: in a domain with a right-to-left label the Bidi rule binds every
    # label; `idna` looks at each alone, so 1.xn--4dbc would show like xn--4dbc.1.
    if any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in domain):
        # `idna` lets a dot at the end pass; what is empty has no direction.
        for label in filter(None, domain.split(".")):
            idna.check_bidi(label, check_ltr=True)


def _checked(address: Address) -> Address:
    local = address.local
    if "=?" in local and _ENCODED_WORD.search(local):
        raise AddressProblem("The local part looks like an encoded word (RFC 2047).")
    if len(local.encode()) > MAX_LOCAL:
        raise AddressProblem(f"The local part is longer than {MAX_LOCAL} octets.")
    if len(address.wire.encode()) > MAX_ADDRESS:
        raise AddressProblem(f"The address is longer than {MAX_ADDRESS} octets.")
    if address.domain.rpartition(".")[2].isdigit():
        raise AddressProblem("The last label of the domain must not be a number.")
    return address

"""Redaction of texts that a server wrote: only known words reach a log or an error.

A list of words to show, not of secrets to remove: a server may echo a credential truncated, wrapped
or encoded, and no list of its forms is complete.
"""

from __future__ import annotations

PLACEHOLDER = "[redacted]"
MAX_WORDS = 30

_WORDS = """
a access account achievement achievements action after again all allowed already an and any api are
argument as at attempt audience authenticate authenticated authentication authorization authorized
available back bad be bearer been belongs body bound busy by call cannot client column conflict
connection contact content could credential credentials data database date deadlock deadlocked
deleted denied does done down due empty endpoint error errors event events exceeded exceeds exist
exists expired failed failure field filter for forbidden format found from gateway group groups
handle has have header identifier illegal in index input internal invalid is issuer it json key
later length limit limited limits lock locked log login lost maintenance malformed many may message
method missing must no not null number object of on only operation or order ordered ordering
organization organizations our out overloaded page parameter permission permissions permitted please
policy process processed property query quota rate received redirect registration registrations
rejected request requests required resource response restarting retry revoked role route row
scheduled scope seconds secret server service session short sign signature size slow sort sorted
sorting status stopped store support suspended system temporarily text than that the this throttled
throttling time timed timeout title to token tomorrow too transaction try type unable unauthorized
unavailable unexpected unknown unprocessable unsupported user using valid validation value version
wait was we when with within without work wrong you your
"""
_KNOWN_WORDS = frozenset(_WORDS.split())
_EDGES = ".,:;!?()[]{}\"'"


def known_words(text: str) -> str:
    """Returns `text` with a placeholder for unknown words; "" if it has no known word."""
    words = [w if w.strip(_EDGES).lower() in _KNOWN_WORDS else PLACEHOLDER for w in text.split()]
    shown = [word for word, previous in zip(words, ["", *words], strict=False) if word != previous]
    return "" if shown in ([], [PLACEHOLDER]) else " ".join(shown[:MAX_WORDS])

"""One made-up credential of each kind, as long as real ones; put together here so that no scanner takes them for real."""

from __future__ import annotations

import base64
import json
import random

_chance = random.Random(7)


def _letters(count: int, alphabet: str = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789") -> str:
    return "".join(_chance.choice(alphabet) for _ in range(count))


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


_BODY = "\n".join(_letters(64) for _ in range(12))

#: Name -> the credential.
CANARIES = {
    "JWT": f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part({'sub': _letters(20), 'aud': 'x'})}.{_letters(86)}",
    "Slack": f"xox{'b'}-1234567890-{_letters(24)}",
    "GitHub": f"gh{'p'}_{_letters(36)}",
    "GitHub, OAuth": f"gh{'o'}_{_letters(36)}",
    "GitHub, fine-grained": f"github_{'pat'}_{_letters(22)}_{_letters(59)}",
    "API key": f"s{'k'}-proj-{_letters(24)}7x{_letters(24)}",
    "Anthropic": f"s{'k'}-ant-api03-{_letters(40)}7x-{_letters(40)}AA",
    "AWS": f"{'AK'}IA{_letters(16, 'ABCDEFGHIJKLMNOP234567')} {_letters(40)}",
    "Bearer": f"Bearer {_letters(20)}7x{_letters(20)}",
    "Basic": f"Basic {base64.b64encode(b'robot:7xQ' + _letters(30).encode()).decode()}",
    "a private key": f"-----BEGIN {'RSA'} PRIVATE KEY-----\n{_BODY}\n-----END RSA PRIVATE KEY-----",
    "Google": f"{'AI'}za{_letters(35)}",
    "Google, refresh": f"1//0{_letters(60)}",
    "Stripe": f"s{'k'}_live_{_letters(40)}",
    "SendGrid": f"S{'G'}.{_letters(22)}.{_letters(43)}",
    "HubSpot": f"pat-{'na1'}-12ab34cd-{_letters(4, '0123456789abcdef')}-4abc-9def-{_letters(12, '0123456789abcdef')}",
}  # fmt: skip

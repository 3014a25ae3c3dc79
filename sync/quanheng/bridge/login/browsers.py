"""What ``User-Agent`` says, in two words of ours: its own text goes nowhere."""

from __future__ import annotations

import re
from typing import Final

_BROWSERS: Final = (
    ("MicroMessenger", "WeChat"),
    ("AlipayClient", "Alipay"),
    ("DingTalk", "DingTalk"),
    (r"QIHU|360SE|360EE|360ENT", "360"),
    (r"QQBrowser|MQQBrowser", "QQBrowser"),
    ("SLBrowser", "Lenovo"),
    (r"\bUOS ?Browser|UOSBrowser", "UOS Browser"),
    (r"Edg(?:A|iOS|e)?/", "Edge"),
    ("OPR/", "Opera"),
    (r"Firefox/|FxiOS/", "Firefox"),
    (r"HuaweiBrowser|ArkWeb", "Huawei"),
    (r"Chrome/|CriOS/|Chromium/", "Chrome"),
    (r"MSIE |Trident/", "Internet Explorer"),
    (r"Version/[\d.]+ .*Safari/", "Safari"),
)
_SYSTEMS: Final = (
    (r"HarmonyOS|OpenHarmony", "HarmonyOS"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    (r"Mac OS X|Macintosh", "macOS"),
    (r"\bUOS\b|UnionTech", "UOS"),
    (r"Kylin", "Kylin"),
    ("Linux", "Linux"),
)
_PHONE: Final = re.compile(r"iPhone|iPod|Windows Phone|(?:Android|HarmonyOS|OpenHarmony).*(?:Mobile|Phone)")
_READ: Final = 512
"""Characters that are looked at."""


def describe_browser(user_agent: str) -> str:
    """Family and system: ``Chrome · Windows``; only what is known, so it may be empty."""
    text = user_agent[:_READ]
    found = (
        next((name for pattern, name in table if re.search(pattern, text)), "")
        for table in (_BROWSERS, _SYSTEMS)
    )
    return " · ".join(name for name in found if name)


def is_phone(user_agent: str) -> bool:
    """Whether the page is opened on a phone, which cannot scan its own screen."""
    return _PHONE.search(user_agent[:_READ]) is not None

"""One HTTP request with the standard library, so that it works on any host."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request


def request(
    url: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 10,
    *,
    public: bool = False,
) -> tuple[int, str]:
    """Status and text of an answer; status 0 with the reason where there was none. Proxies of the environment are
    asked for a `public` address only: the others are on this machine or in the private network."""
    if not url.startswith(("http://", "https://")):
        return 0, f"{url} is no http address"
    asked = urllib.request.Request(url, data=body, method=method, headers=headers or {})  # noqa: S310 - scheme checked above
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(None if public else {}))
    try:
        with opener.open(asked, timeout=timeout) as answer:
            return int(answer.status), answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(getattr(error, "reason", error))

"""Settings of the Scrapy project (`scrapy.cfg`), the base of every crawl. Scrapy reads the upper-case names.

No transport is in here: without one (an object that `crawler.run` or `crawler.project` adds) every request is refused.
"""

from __future__ import annotations

from typing import Any

BOT_NAME = "dropline"
SPIDER_MODULES = ["crawler.spiders"]
NEWSPIDER_MODULE = "crawler.spiders"

TWISTED_REACTOR_ENABLED = False
"""asyncio alone: many crawls run in one process, and the httpx handler needs no reactor."""
TELNETCONSOLE_ENABLED = False

# The onion handler is the only way out; every other scheme has none.
DOWNLOAD_HANDLERS: dict[str, Any] = {
    "http": "crawler.handlers.OnionHandler",
    "https": "crawler.handlers.OnionHandler",
    "data": None,
    "file": None,
    "ftp": None,
    "s3": None,
}
DOWNLOADER_MIDDLEWARES: dict[str, Any] = {
    "crawler.middlewares.Backoff": 550,
    "crawler.middlewares.Session": 700,
    "crawler.middlewares.MarketGate": 990,  # the last before the handler: nothing after it changes a request
}
ROBOTSTXT_OBEY = False
"""It would be one more request; budgets are what keeps a crawl polite."""
RETRY_ENABLED = False
METAREFRESH_ENABLED = False
HTTPPROXY_ENABLED = False
HTTPERROR_ALLOW_ALL = True
"""Error pages are read too: what they are is an outcome."""
REFERRER_POLICY = "no-referrer"
REDIRECT_MAX_TIMES = 5
COOKIES_ENABLED = False
"""Scrapy's own asks the open internet for the list of public suffixes (tldextract): `crawler.middlewares.Session` does
not need one."""
HTTPCACHE_ENABLED = False
DNSCACHE_ENABLED = False
DOWNLOAD_FAIL_ON_DATALOSS = True
DOWNLOAD_WARNSIZE = 0
DOWNLOAD_MAXSIZE = 4_000_000
DROPLINE_TOTAL_SECONDS = 120.0
DROPLINE_RETRIES = 3
DROPLINE_BACKOFF = 2.0
AUTOTHROTTLE_ENABLED = True
AUTOTHROTTLE_MAX_DELAY = 120.0
CONCURRENT_REQUESTS = 2
CONCURRENT_REQUESTS_PER_DOMAIN = 2
CONCURRENT_ITEMS = 1
"""What a page led to is queued, one request after another, which takes no time. Scrapy's default are a hundred workers,
tasks that it makes anew for every page."""
DOWNLOAD_DELAY = 2.0
# What Tor Browser sends: an own name would tell the site who is watching.
USER_AGENT = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"
DEFAULT_REQUEST_HEADERS = {
    "Accept": "text/html,application/xhtml+xml",
    "Accept-Language": "en-US,en;q=0.5",
}
EXTENSIONS: dict[str, Any] = {
    "scrapy.extensions.telnet.TelnetConsole": None,
    "scrapy.extensions.memusage.MemoryUsage": None,
    "scrapy.extensions.logstats.LogStats": None,
}
STATS_DUMP = False

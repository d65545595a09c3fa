"""From an address to Listing items: spiders, page objects, Tor, politeness, privacy, archive."""

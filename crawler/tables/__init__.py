"""Tables scraped by others: read by a mapping file, turned into Listings, written to the same durable logs."""

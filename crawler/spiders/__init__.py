"""Scrapy's spiders: one, for every market."""

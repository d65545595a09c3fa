"""The Store on an Elasticsearch cluster: core features only, so that it runs on every distribution of version 9."""

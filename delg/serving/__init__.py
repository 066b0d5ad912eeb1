"""A page to search in and its JSON API: what is searched, one search, limits, routes, the server."""

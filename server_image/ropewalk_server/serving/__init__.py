"""Serving: loaded versions, routes, the predictor, batches, engines. No protocol and no transport."""

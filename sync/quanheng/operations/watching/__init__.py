"""The watcher: what happened in Keycloak is taken in, judged, undone when nobody was entitled, told of."""

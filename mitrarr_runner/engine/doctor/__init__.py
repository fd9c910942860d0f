"""Is this host fit for a site? Small checks in one table, each giving findings; none mends."""

"""A person's folder of photographs: kept described and indexed, and searched without shards or labels."""

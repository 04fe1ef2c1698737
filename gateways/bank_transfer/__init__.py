"""Bank transfers that people make by themselves: no provider is called."""

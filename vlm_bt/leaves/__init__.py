"""py_trees behaviours, one idea each. They know ports, never devices or backends; `table` lists them."""

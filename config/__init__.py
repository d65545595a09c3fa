"""Settings, errors and the loading of YAML. Imports none of the other rooms."""

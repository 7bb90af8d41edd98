"""From Sigma rule files to compiled rules: all that knows YAML and pySigma. Never imported in a Lambda."""

"""The operator's cost for resources at rest: many ModelDeployments and Pipelines with which nothing happens."""

"""Builds what is deployed: Lambda bundles and CloudFormation templates."""

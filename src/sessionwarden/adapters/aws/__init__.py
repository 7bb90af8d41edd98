"""Adapters of AWS services that Lambda functions and commands call through boto3."""

"""The AWS services that Lambdas and commands call through boto3."""

"""The Lambda function that SES calls for each message: finds the endpoint, delivers, and reports.

It isn't part of the website. It runs on Python's standard library and boto3, so it imports nothing else of this
project.
"""

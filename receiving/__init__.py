"""The function that SES calls for each message: it finds the endpoint, delivers, and reports. No part of the website.

It runs in AWS Lambda on Python's standard library and boto3 alone, so it imports nothing else of this project.
"""

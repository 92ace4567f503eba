output "name" {
  description = "Name of the bucket, once its policy lets in who may write."
  value       = aws_s3_bucket.this.bucket

  depends_on = [aws_s3_bucket_policy.this]
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "regional_domain_name" {
  description = "Regional host name of the bucket."
  value       = aws_s3_bucket.this.bucket_regional_domain_name
}

module "bucket" {
  source = "../bucket"

  name = var.bucket_name
  # The customer keys of the environment are made with this bucket's help, so it cannot use one of them.
  kms_key_arn         = ""
  deletion_protection = var.deletion_protection
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  count = var.noncurrent_days > 0 ? 1 : 0

  bucket = module.bucket.name

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {
      prefix = ""
    }

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    # A lock file is deleted when its run ends; in a versioned bucket the delete marker would stay for ever.
    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  # Rules for old versions need a versioned bucket.
  depends_on = [module.bucket]
}

resource "aws_dynamodb_table" "lock" {
  name                        = var.lock_table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "LockID"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "LockID"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }

  tags = { Name = var.lock_table_name }
}

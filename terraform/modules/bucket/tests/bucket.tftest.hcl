mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  name        = "test-kafka-backup-111122223333"
  kms_key_arn = "arn:aws:kms:ap-northeast-2:111122223333:key/s3"
}

run "objects_are_encrypted_with_the_customer_key_and_versioned" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule : [
        for default in rule.apply_server_side_encryption_by_default : default.kms_master_key_id == var.kms_key_arn
      ]
    ]))
    error_message = "the customer key must encrypt every object"
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled" && !aws_s3_bucket.this.force_destroy
    error_message = "an overwritten object must be restorable, and a full bucket must not be deletable"
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "the bucket is private"
  }
}

run "a_bad_name_is_refused" {
  command = plan

  variables {
    name = "Test_Bucket"
  }

  expect_failures = [var.name]
}

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

run "objects_move_and_expire_by_age" {
  command = plan

  variables {
    lifecycle_rule = { transitions = { STANDARD_IA = 90, GLACIER = 365 }, expire_days = 2555 }
  }

  assert {
    condition     = { for step in aws_s3_bucket_lifecycle_configuration.this[0].rule[0].transition : step.storage_class => step.days } == { GLACIER = 365, STANDARD_IA = 90 }
    error_message = "objects go to Infrequent Access after 90 days and to Glacier after a year"
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this[0].rule[0].expiration[0].days == 2555
    error_message = "objects expire after seven years"
  }
}

run "a_transition_after_the_expiry_is_refused" {
  command = plan

  variables {
    lifecycle_rule = { transitions = { GLACIER = 365 }, expire_days = 90 }
  }

  expect_failures = [var.lifecycle_rule]
}

run "logs_of_load_balancers_take_the_key_of_s3" {
  command = plan

  variables {
    kms_key_arn = ""
    sse_s3      = true
  }

  assert {
    condition = alltrue(flatten([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule : [
        for default in rule.apply_server_side_encryption_by_default : default.sse_algorithm == "AES256" && default.kms_master_key_id == null
      ]
    ]))
    error_message = "log delivery of a load balancer knows no other encryption"
  }
}

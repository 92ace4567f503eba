mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

mock_provider "aws" {
  alias = "peer"

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  name                = "test"
  account_id          = "111122223333"
  region              = "ap-northeast-2"
  peer_region         = "ap-northeast-1"
  buckets             = { files = "test-files-111122223333" }
  source_kms_key_arn  = "arn:aws:kms:ap-northeast-2:111122223333:key/s3"
  replica_kms_key_arn = "arn:aws:kms:ap-northeast-1:111122223333:key/s3"
}

run "within_the_recovery_point_objective" {
  command = plan

  assert {
    condition     = one(one(one(aws_s3_bucket_replication_configuration.this["files"].rule[0].destination).replication_time).time).minutes == 15
    error_message = "S3 must promise 15 minutes"
  }

  assert {
    condition     = one(one(aws_s3_bucket_replication_configuration.this["files"].rule[0].destination).encryption_configuration).replica_kms_key_id == var.replica_kms_key_arn
    error_message = "replicas are encrypted with their own region's key"
  }

  assert {
    condition     = output.replicas["files"].name == "test-files-111122223333-replica"
    error_message = "a replica's name is its source's with -replica"
  }
}

run "the_same_region_is_refused" {
  command = plan

  variables {
    peer_region = "ap-northeast-2"
  }

  expect_failures = [var.peer_region]
}

run "too_long_a_name_is_refused" {
  command = plan

  variables {
    buckets = { files = "a-bucket-with-a-name-that-leaves-no-room-for-what-follows" }
  }

  expect_failures = [var.buckets]
}

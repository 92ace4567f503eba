mock_provider "aws" {}

variables {
  environment  = "test"
  kms_key_arn  = "arn:aws:kms:ap-northeast-2:111122223333:key/s3"
  repositories = { fileflow = { keep = 30, tags = { Team = "files" } } }
}

run "images_are_scanned_immutable_and_encrypted" {
  command = plan

  assert {
    condition     = aws_ecr_repository.this["fileflow"].name == "test-fileflow" && aws_ecr_repository.this["fileflow"].image_tag_mutability == "IMMUTABLE"
    error_message = "a tag must always be the same image"
  }

  assert {
    condition     = aws_ecr_repository.this["fileflow"].image_scanning_configuration[0].scan_on_push
    error_message = "every image is scanned"
  }

  assert {
    condition     = one(aws_ecr_repository.this["fileflow"].encryption_configuration).kms_key == var.kms_key_arn && !aws_ecr_repository.this["fileflow"].force_delete
    error_message = "the customer key must encrypt the images, and a full repository must not be deletable"
  }

  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.this["fileflow"].policy).rules : rule.selection.countNumber if rule.selection.tagStatus == "any"] == [30]
    error_message = "the newest 30 are kept"
  }

  assert {
    condition     = aws_ecr_repository.this["fileflow"].tags == tomap({ Name = "test-fileflow", Team = "files" })
    error_message = "a repository is tagged with its own team"
  }
}

run "no_image_at_all_is_refused" {
  command = plan

  variables {
    repositories = { fileflow = { keep = 0 } }
  }

  expect_failures = [var.repositories]
}

# Replicas of buckets in another region. Deletions are replicated as markers only: versions stay.

module "replica" {
  source    = "../bucket"
  for_each  = var.buckets
  providers = { aws = aws.peer }

  name                = "${each.value}-replica"
  kms_key_arn         = var.replica_kms_key_arn
  deletion_protection = var.deletion_protection
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

data "aws_iam_policy_document" "replicate" {
  statement {
    sid       = "ReadConfiguration"
    actions   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
    resources = [for bucket in values(var.buckets) : "arn:aws:s3:::${bucket}"]
  }

  statement {
    sid       = "ReadVersions"
    actions   = ["s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"]
    resources = [for bucket in values(var.buckets) : "arn:aws:s3:::${bucket}/*"]
  }

  statement {
    sid       = "WriteReplicas"
    actions   = ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"]
    resources = [for replica in values(module.replica) : "${replica.arn}/*"]
  }

  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt"]
    resources = [var.source_kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.amazonaws.com"]
    }
  }

  statement {
    sid       = "Encrypt"
    actions   = ["kms:Encrypt", "kms:GenerateDataKey"]
    resources = [var.replica_kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.peer_region}.amazonaws.com"]
    }
  }
}

module "role" {
  source = "../iam-role"

  name            = "${var.name}-s3-replication"
  description     = "S3: copies objects of ${var.name} to ${var.peer_region}"
  trust_policy    = data.aws_iam_policy_document.trust.json
  inline_policies = { replicate = data.aws_iam_policy_document.replicate.json }
}

resource "aws_s3_bucket_replication_configuration" "this" {
  for_each = var.buckets

  bucket = each.value
  role   = module.role.arn

  rule {
    id     = "to-${var.peer_region}"
    status = "Enabled"

    filter {
      prefix = ""
    }

    delete_marker_replication {
      status = "Enabled"
    }

    source_selection_criteria {
      sse_kms_encrypted_objects {
        status = "Enabled"
      }
    }

    destination {
      bucket        = module.replica[each.key].arn
      storage_class = "STANDARD_IA"

      encryption_configuration {
        replica_kms_key_id = var.replica_kms_key_arn
      }

      # S3 promises 15 minutes, which is the recovery point objective, and measures it.
      replication_time {
        status = "Enabled"

        time {
          minutes = 15
        }
      }

      metrics {
        status = "Enabled"

        event_threshold {
          minutes = 15
        }
      }
    }
  }
}

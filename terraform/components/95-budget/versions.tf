terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 7.0.0"
    }
  }

  # Bucket, key and region come from the engine: see environments/<env>/backend.s3.tfbackend for the rest.
  backend "s3" {}
}

provider "aws" {
  region                      = module.context.region
  allowed_account_ids         = [module.context.account_id]
  max_retries                 = var.aws.max_retries
  s3_use_path_style           = var.aws.s3_use_path_style
  skip_metadata_api_check     = var.aws.skip_metadata_api_check
  skip_region_validation      = var.aws.skip_region_validation
  skip_credentials_validation = var.aws.skip_credentials_validation

  default_tags {
    tags = module.context.tags
  }
}

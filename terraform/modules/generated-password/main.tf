# A password that Secrets Manager makes and that no state and no plan ever has. The secret is its one origin: what uses the
# password takes it from there, so a run that was killed between two of its uses goes on with the same one.

ephemeral "aws_secretsmanager_random_password" "this" {
  password_length     = 40
  exclude_punctuation = true
}

module "secret" {
  source = "../secret"

  name          = var.name
  description   = var.description
  kms_key_arn   = var.kms_key_arn
  recovery_days = var.recovery_days
  value         = ephemeral.aws_secretsmanager_random_password.this.random_password
  value_version = var.password_version
  tags          = var.tags
}

ephemeral "aws_secretsmanager_secret_version" "this" {
  secret_id  = module.secret.arn
  version_id = module.secret.version_id
}

resource "aws_route53_zone" "this" {
  name          = var.domain
  comment       = "Public names of ${var.environment}"
  force_destroy = !var.deletion_protection

  tags = { Name = "${var.environment}-public" }
}

# No other authority may issue certificates for the domain.
resource "aws_route53_record" "caa" {
  zone_id = aws_route53_zone.this.zone_id
  name    = var.domain
  type    = "CAA"
  ttl     = 3600
  records = ["0 issue \"amazon.com\"", "0 issuewild \"amazon.com\""]
}

resource "aws_acm_certificate" "this" {
  domain_name               = "*.${var.domain}"
  subject_alternative_names = concat([var.domain], [for domain in var.other_domains : "*.${domain}"])
  validation_method         = "DNS"
  key_algorithm             = "RSA_2048"

  tags = { Name = "${var.environment}-wildcard" }

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  # One record proves the domain and its wildcard. ACM asks for the same one in every region of an account, so that those
  # of other_domains are already in the zone of the environment that owns them.
  proof = [for option in aws_acm_certificate.this.domain_validation_options : option if option.domain_name == "*.${var.domain}"][0]
}

resource "aws_route53_record" "validation" {
  zone_id = aws_route53_zone.this.zone_id
  name    = local.proof.resource_record_name
  type    = local.proof.resource_record_type
  ttl     = 300
  records = [local.proof.resource_record_value]
}

resource "aws_acm_certificate_validation" "this" {
  certificate_arn = aws_acm_certificate.this.arn

  timeouts {
    create = "${var.validation_minutes}m"
  }

  depends_on = [aws_route53_record.caa, aws_route53_record.validation]
}

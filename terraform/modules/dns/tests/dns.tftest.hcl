mock_provider "aws" {
  mock_resource "aws_acm_certificate" {
    defaults = {
      arn = "arn:aws:acm:ap-northeast-2:111122223333:certificate/1"
      domain_validation_options = [
        { domain_name = "*.test.example.com", resource_record_name = "_1.test.example.com.", resource_record_type = "CNAME", resource_record_value = "_2.acm.example.com." },
        { domain_name = "test.example.com", resource_record_name = "_1.test.example.com.", resource_record_type = "CNAME", resource_record_value = "_2.acm.example.com." },
        { domain_name = "*.example.com", resource_record_name = "_3.example.com.", resource_record_type = "CNAME", resource_record_value = "_4.acm.example.com." },
      ]
    }
  }
}

variables {
  environment   = "test"
  domain        = "test.example.com"
  other_domains = ["example.com"]
}

run "the_certificate_has_the_wildcards_and_is_proved_once" {
  assert {
    condition     = aws_acm_certificate.this.domain_name == "*.test.example.com" && toset(aws_acm_certificate.this.subject_alternative_names) == toset(["test.example.com", "*.example.com"])
    error_message = "wildcard, apex, and the wildcards of the domains it stands in for"
  }

  assert {
    condition     = aws_route53_record.validation.name == "_1.test.example.com." && tolist(aws_route53_record.validation.records) == tolist(["_2.acm.example.com."])
    error_message = "the record of the own domain proves it"
  }

  assert {
    condition     = output.certificate_arn == aws_acm_certificate.this.arn && !aws_route53_zone.this.force_destroy
    error_message = "the certificate is handed over when it is issued, and a zone with records is kept"
  }
}

run "a_url_is_no_domain" {
  command = plan

  variables {
    domain = "https://example.com"
  }

  expect_failures = [var.domain]
}

run "the_own_domain_is_not_another" {
  command = plan

  variables {
    other_domains = ["test.example.com"]
  }

  expect_failures = [var.other_domains]
}

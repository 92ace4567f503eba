output "zone_id" {
  description = "ID of the public zone."
  value       = aws_route53_zone.this.zone_id
}

output "zone_arn" {
  description = "ARN of the public zone."
  value       = aws_route53_zone.this.arn
}

output "domain" {
  description = "Domain of the zone."
  value       = aws_route53_zone.this.name
}

output "name_servers" {
  description = "Name servers that the parent domain must name (NS record)."
  value       = aws_route53_zone.this.name_servers
}

output "certificate_arn" {
  description = "ARN of the wildcard certificate, known once it is issued."
  value       = aws_acm_certificate_validation.this.certificate_arn
}

output "certificate_domains" {
  description = "Names that the certificate is good for."
  value       = concat([aws_acm_certificate.this.domain_name], tolist(aws_acm_certificate.this.subject_alternative_names))
}

output "record_names" {
  description = "Names of the records for the certificate: who may issue one, and the proof of ownership."
  value       = { caa = aws_route53_record.caa.fqdn, validation = aws_route53_record.validation.fqdn }
}

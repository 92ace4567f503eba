output "ids" {
  description = "IDs of the groups by name."
  value       = { for name, group in aws_security_group.this : name => group.id }
}

output "arns" {
  description = "ARNs of the groups by name."
  value       = { for name, group in aws_security_group.this : name => group.arn }
}

output "names" {
  description = "Full names of the groups by name."
  value       = { for name, group in aws_security_group.this : name => group.name }
}

output "rule_ids" {
  description = "IDs of the rules between groups: ingress and egress by rule."
  value = {
    for name in keys(var.rules) : name => {
      ingress = aws_vpc_security_group_ingress_rule.group[name].security_group_rule_id
      egress  = aws_vpc_security_group_egress_rule.group[name].security_group_rule_id
    }
  }
}

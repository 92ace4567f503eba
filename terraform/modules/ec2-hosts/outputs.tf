output "instance_ids" {
  description = "Instance ids by short name."
  value       = { for name, instance in aws_instance.this : name => instance.id }
}

output "node_names" {
  description = "Name tags of the instances, as in the inventory."
  value       = sort([for name in keys(var.hosts) : "${var.environment}-${name}"])
}

output "dns_names" {
  description = "Private DNS names by short name."
  value       = { for name in keys(var.hosts) : name => "${name}.${var.dns_domain}" }
}

output "private_ips" {
  description = "Addresses by short name."
  value       = { for name, instance in aws_instance.this : name => instance.private_ip }
}

output "data_volume_ids" {
  description = "Ids of the data volumes by short name."
  value       = { for name, volume in aws_ebs_volume.data : name => volume.id }
}

output "service_ids" {
  description = "Ids of the Cloud Map services by short name."
  value       = { for name, service in aws_service_discovery_service.this : name => service.id }
}

output "recovery_alarm_arns" {
  description = "ARNs of the recovery alarms by short name."
  value       = { for name, alarm in aws_cloudwatch_metric_alarm.recovery : name => alarm.arn }
}

output "ami_id" {
  description = "Image of the hosts."
  value       = var.ami_id == "" ? data.aws_ami.this[0].id : var.ami_id
}

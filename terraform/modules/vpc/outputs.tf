output "vpc_id" {
  description = "ID of the VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr" {
  description = "IPv4 range of the VPC."
  value       = aws_vpc.this.cidr_block
}

output "public_subnet_ids" {
  description = "IDs of the public subnets, in the order of the zones."
  value       = [for zone in local.zones : aws_subnet.public[zone].id]
}

output "private_subnet_ids" {
  description = "IDs of the private subnets, in the order of the zones."
  value       = [for zone in local.zones : aws_subnet.private[zone].id]
}

output "data_subnet_ids" {
  description = "IDs of the data subnets, in the order of the zones."
  value       = [for zone in local.zones : aws_subnet.data[zone].id]
}

output "public_subnet_cidrs" {
  description = "Ranges of the public subnets, in the order of the zones."
  value       = [for zone in local.zones : local.public[zone]]
}

output "private_subnet_cidrs" {
  description = "Ranges of the private subnets, in the order of the zones."
  value       = [for zone in local.zones : local.private[zone]]
}

output "data_subnet_cidrs" {
  description = "Ranges of the data subnets, in the order of the zones."
  value       = [for zone in local.zones : local.data[zone]]
}

output "nat_gateway_ids" {
  description = "IDs of the NAT gateways by zone."
  value       = { for zone, gateway in aws_nat_gateway.this : zone => gateway.id }
}

output "nat_public_ips" {
  description = "Addresses from which private hosts reach the Internet, by zone."
  value       = { for zone, address in aws_eip.nat : zone => address.public_ip }
}

output "private_route_table_ids" {
  description = "IDs of the private route tables by zone."
  value       = { for zone, table in aws_route_table.private : zone => table.id }
}

output "gateway_endpoint_ids" {
  description = "IDs of the gateway endpoints by service."
  value       = { for service, endpoint in aws_vpc_endpoint.gateway : service => endpoint.id }
}

output "gateway_endpoint_prefix_list_ids" {
  description = "Prefix lists of the gateway endpoints by service, for rules of security groups."
  value       = { for service, endpoint in aws_vpc_endpoint.gateway : service => endpoint.prefix_list_id }
}

output "namespace_id" {
  description = "ID of the private Cloud Map namespace."
  value       = aws_service_discovery_private_dns_namespace.this.id
}

output "namespace_name" {
  description = "Name of the private Cloud Map namespace."
  value       = aws_service_discovery_private_dns_namespace.this.name
}

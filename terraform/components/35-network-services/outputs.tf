output "services" {
  description = "Flow log and interface endpoints."
  value       = module.services
}

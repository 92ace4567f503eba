output "budget" {
  description = "The budget and the watch on cost anomalies."
  value       = module.budget
}

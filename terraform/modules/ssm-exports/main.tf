resource "aws_ssm_parameter" "this" {
  for_each = var.parameters

  name        = each.key
  description = each.value.description
  type        = each.value.values == null ? "String" : "StringList"
  # Hand-off values are identifiers, not secrets: a readable plan is worth more than hiding them.
  insecure_value = each.value.values == null ? each.value.value : join(",", each.value.values)
  # What a killed run has put is put again. To import it instead would never come to rest: the provider reads an imported value into `value`.
  overwrite = true
}

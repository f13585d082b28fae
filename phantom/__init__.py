"""Physics -> files: simulated patients whose ECG and MRI come from one drawn heart."""

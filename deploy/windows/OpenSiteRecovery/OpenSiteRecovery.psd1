@{
    # No root module: one that says what it exports would hide the functions of the others.
    NestedModules     = @('OpenSiteRecovery.psm1', 'PlanScripts.psm1', 'TestNetworks.psm1')
    ModuleVersion     = '0.1.0'
    GUID              = '6f1b1f0e-0c7d-4a7e-9c55-2f6a1f4d9b21'
    Author            = 'The Open Site Recovery authors'
    Copyright         = '(c) 2026 The Open Site Recovery authors. Apache License 2.0.'
    Description       = 'What the Open Site Recovery agent cannot say with cmdlets and parameters alone.'
    PowerShellVersion = '5.1'
    FunctionsToExport = @(
        'Install-OsrReplicationCertificate'
        'Install-OsrReplicationRoot'
        'Get-OsrReplicationCertificate'
        'Remove-OsrReplicationCertificate'
        'Enable-OsrReplicationFirewallRule'
        'Remove-OsrReplicationFirewallRule'
        'Test-OsrReplicationPath'
        'Grant-OsrReplicationPath'
        'Get-OsrDelegation'
        'Get-OsrInitialReplication'
        'Connect-OsrVirtualNetworkAdapter'
        'Grant-OsrIPAddress'
        'Get-OsrPlanScript'
        'Invoke-OsrPlanScript'
        'New-OsrVMNetwork'
        'New-OsrVMSubnet'
        'New-OsrStaticIPAddressPool'
    )
    CmdletsToExport   = @()
    VariablesToExport = @()
    AliasesToExport   = @()
}

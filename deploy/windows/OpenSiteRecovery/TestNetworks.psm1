# What an isolated network for a test failover is made of. VMM's cmdlets take what belongs together
# as objects, which a pipeline of data cannot carry; each function adds one thing and gives it.

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

function New-OsrVMNetwork {
    <#
    .SYNOPSIS
        Makes a VM network on a logical network; it has no subnets yet.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $VMMServer,
        [Parameter(Mandatory = $true)] [string] $Name,
        [Parameter(Mandatory = $true)] [string] $Description,
        [Parameter(Mandatory = $true)] [guid] $LogicalNetworkID,
        [Parameter(Mandatory = $true)] [string] $IsolationType
    )
    $server = Get-SCVMMServer -ComputerName $VMMServer
    $logical = Get-SCLogicalNetwork -VMMServer $server -ID $LogicalNetworkID
    if ($null -eq $logical) { throw "VMM has no logical network '$LogicalNetworkID'." }
    New-SCVMNetwork -VMMServer $server -Name $Name -Description $Description `
        -LogicalNetwork $logical -IsolationType $IsolationType
}

function New-OsrVMSubnet {
    <#
    .SYNOPSIS
        Adds a subnet to a VM network.
    .DESCRIPTION
        On a network that is isolated by VLANs the subnet is one of a site of the logical network,
        which is found by subnet and VLAN; on a virtualized network VLanID is 0.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $VMMServer,
        [Parameter(Mandatory = $true)] [guid] $VMNetworkID,
        [Parameter(Mandatory = $true)] [string] $Name,
        [Parameter(Mandatory = $true)] [string] $Subnet,
        [Parameter(Mandatory = $true)] [int] $VLanID
    )
    $server = Get-SCVMMServer -ComputerName $VMMServer
    $network = Get-SCVMNetwork -VMMServer $server -ID $VMNetworkID
    if ($null -eq $network) { throw "VMM has no VM network '$VMNetworkID'." }
    $place = New-SCSubnetVLan -Subnet $Subnet -VLanID $VLanID
    $site = @{}
    if ($VLanID -gt 0) {
        $found = @(Get-SCLogicalNetworkDefinition -VMMServer $server -LogicalNetwork $network.LogicalNetwork `
                -Subnet $Subnet -VLanID $VLanID)
        if ($found.Count -eq 0) { throw "No site of '$($network.LogicalNetwork)' has $Subnet with VLAN $VLanID." }
        $site.LogicalNetworkDefinition = $found[0]
    }
    New-SCVMSubnet -VMMServer $server -Name $Name -VMNetwork $network -SubnetVLan $place @site
}

function New-OsrStaticIPAddressPool {
    <#
    .SYNOPSIS
        Adds a static address pool to a subnet of a VM network.
    .DESCRIPTION
        Gateways and DNS servers are addresses with commas between them, or nothing.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $VMMServer,
        [Parameter(Mandatory = $true)] [guid] $VMSubnetID,
        [Parameter(Mandatory = $true)] [string] $Name,
        [Parameter(Mandatory = $true)] [string] $Subnet,
        [Parameter(Mandatory = $true)] [string] $IPAddressRangeStart,
        [Parameter(Mandatory = $true)] [string] $IPAddressRangeEnd,
        [Parameter(Mandatory = $true)] [AllowEmptyString()] [string] $DefaultGateway,
        [Parameter(Mandatory = $true)] [AllowEmptyString()] [string] $DNSServer
    )
    $server = Get-SCVMMServer -ComputerName $VMMServer
    $vmSubnet = Get-SCVMSubnet -VMMServer $server -ID $VMSubnetID
    if ($null -eq $vmSubnet) { throw "VMM has no VM subnet '$VMSubnetID'." }
    $more = @{}
    $gateways = @($DefaultGateway -split ',' | Where-Object { $_ })
    if ($gateways.Count) {
        $more.DefaultGateway = @($gateways | ForEach-Object { New-SCDefaultGateway -IPAddress $_ -Automatic })
    }
    $servers = @($DNSServer -split ',' | Where-Object { $_ })
    if ($servers.Count) { $more.DNSServer = $servers }
    New-SCStaticIPAddressPool -VMMServer $server -Name $Name -VMSubnet $vmSubnet -Subnet $Subnet `
        -IPAddressRangeStart $IPAddressRangeStart -IPAddressRangeEnd $IPAddressRangeEnd @more
}

Export-ModuleMember -Function @(
    'New-OsrVMNetwork'
    'New-OsrVMSubnet'
    'New-OsrStaticIPAddressPool'
)

# What the agent cannot say with cmdlets and parameters alone: certificates and a firewall rule on a
# Hyper-V host, the paths of offline first copies, and calls of VMM that relate two of its objects.
# Nothing else belongs here. Each function takes typed parameters and runs one fixed block; no
# parameter ever becomes script text.

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

# Marks our certificates among those of others in LocalMachine\My.
$FriendlyName = 'Open Site Recovery replication'

function Install-OsrReplicationCertificate {
    <#
    .SYNOPSIS
        Puts a replication certificate with its key, and the root it ends in, into a host's stores.
    .DESCRIPTION
        Imports the PFX into LocalMachine\My (key not exportable) and the root into
        LocalMachine\Root, and tells Hyper-V Replica not to ask whether certificates are revoked: our
        authority publishes no list the hosts could reach, and takes a host's rights away by removing
        its authorization entries. Doing it again changes nothing. Gives the certificate.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [byte[]] $Pfx,
        [Parameter(Mandatory = $true)] [securestring] $Password,
        [Parameter(Mandatory = $true)] [byte[]] $Root
    )
    $thumbprint = Invoke-Command -ComputerName $ComputerName -ArgumentList $Pfx, $Password, $Root, $FriendlyName -ScriptBlock {
        param([byte[]] $Pfx, [securestring] $Password, [byte[]] $Root, [string] $FriendlyName)
        $ErrorActionPreference = 'Stop'
        $x509 = 'System.Security.Cryptography.X509Certificates'
        $add = {
            param($StoreName, $Certificate)
            $store = New-Object "$x509.X509Store" $StoreName, 'LocalMachine'
            $store.Open('ReadWrite')
            try { $store.Add($Certificate) } finally { $store.Close() }
        }
        $rootCertificate = New-Object "$x509.X509Certificate2" -ArgumentList @(, $Root)
        & $add 'Root' $rootCertificate
        $flags = [System.Security.Cryptography.X509Certificates.X509KeyStorageFlags]'MachineKeySet, PersistKeySet'
        $certificate = New-Object "$x509.X509Certificate2" -ArgumentList $Pfx, $Password, $flags
        $certificate.FriendlyName = $FriendlyName
        & $add 'My' $certificate
        $key = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Virtualization\Replication'
        if (-not (Test-Path -Path $key)) { $null = New-Item -Path $key }
        $null = New-ItemProperty -Path $key -Name 'DisableCertRevocationCheck' -Value 1 `
            -PropertyType DWord -Force
        $certificate.Thumbprint
    }
    Get-OsrReplicationCertificate -ComputerName $ComputerName |
        Where-Object -Property Thumbprint -EQ -Value $thumbprint
}

function Install-OsrReplicationRoot {
    <#
    .SYNOPSIS
        Makes a host trust a root of replication certificates, before one of its certificates is used.
    .DESCRIPTION
        Adds the root to LocalMachine\Root. Doing it again changes nothing.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [byte[]] $Root
    )
    Invoke-Command -ComputerName $ComputerName -ArgumentList @(, $Root) -ScriptBlock {
        param([byte[]] $Root)
        $ErrorActionPreference = 'Stop'
        $x509 = 'System.Security.Cryptography.X509Certificates'
        $certificate = New-Object "$x509.X509Certificate2" -ArgumentList @(, $Root)
        $store = New-Object "$x509.X509Store" 'Root', 'LocalMachine'
        $store.Open('ReadWrite')
        try { $store.Add($certificate) } finally { $store.Close() }
    }
}

function Get-OsrReplicationCertificate {
    <#
    .SYNOPSIS
        Lists the certificates in a host's LocalMachine\My that Hyper-V Replica could use.
    .DESCRIPTION
        Those with both purposes, client and server authentication. HostTime is what the host's clock
        says: a host whose clock is wrong takes a good certificate for an expired one.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName
    )
    Invoke-Command -ComputerName $ComputerName -ScriptBlock {
        $ErrorActionPreference = 'Stop'
        $purposes = '1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'
        foreach ($certificate in Get-ChildItem -Path Cert:\LocalMachine\My) {
            $found = @($certificate.EnhancedKeyUsageList | ForEach-Object -MemberName ObjectId)
            if (@($purposes | Where-Object { $found -notcontains $_ }).Count -eq 0) {
                [pscustomobject]@{
                    Thumbprint    = $certificate.Thumbprint
                    Subject       = $certificate.Subject
                    Issuer        = $certificate.Issuer
                    DnsNameList   = [string[]] @($certificate.DnsNameList | ForEach-Object -MemberName Unicode)
                    NotBefore     = $certificate.NotBefore
                    NotAfter      = $certificate.NotAfter
                    HasPrivateKey = $certificate.HasPrivateKey
                    FriendlyName  = $certificate.FriendlyName
                    HostTime      = [datetime]::UtcNow
                }
            }
        }
    }
}

function Remove-OsrReplicationCertificate {
    <#
    .SYNOPSIS
        Deletes a certificate and its key from a host's LocalMachine\My.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [ValidatePattern('^[0-9A-Fa-f]{40}$')] [string] $Thumbprint
    )
    Invoke-Command -ComputerName $ComputerName -ArgumentList $Thumbprint -ScriptBlock {
        param([string] $Thumbprint)
        Remove-Item -Path "Cert:\LocalMachine\My\$Thumbprint" -DeleteKey -ErrorAction Stop
    }
}

function Enable-OsrReplicationFirewallRule {
    <#
    .SYNOPSIS
        Lets a host receive Hyper-V Replica traffic on a port.
    .DESCRIPTION
        The rules that come with the Hyper-V role cover ports 80 and 443 only. Makes a rule for the
        port, or enables the one there is.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [ValidateRange(1, 65535)] [int] $Port
    )
    Invoke-Command -ComputerName $ComputerName -ArgumentList $Port -ScriptBlock {
        param([int] $Port)
        $ErrorActionPreference = 'Stop'
        $name = "OSR-Replica-$Port-In-TCP"
        $rule = Get-NetFirewallRule -Name $name -ErrorAction SilentlyContinue
        if ($null -eq $rule) {
            $null = New-NetFirewallRule -Name $name -DisplayName "Hyper-V Replica on port $Port (TCP-In)" `
                -Group 'Open Site Recovery' -Direction Inbound -Action Allow -Protocol TCP `
                -LocalPort $Port -Profile Domain, Private
        }
        elseif ($rule.Enabled -ne 'True') {
            Enable-NetFirewallRule -Name $name
        }
    }
}

function Remove-OsrReplicationFirewallRule {
    <#
    .SYNOPSIS
        Removes the rule that Enable-OsrReplicationFirewallRule made for a port.
    .DESCRIPTION
        Rules of others stay, also for the same port. Doing it again changes nothing.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [ValidateRange(1, 65535)] [int] $Port
    )
    Invoke-Command -ComputerName $ComputerName -ArgumentList $Port -ScriptBlock {
        param([int] $Port)
        $ErrorActionPreference = 'Stop'
        $rule = Get-NetFirewallRule -Name "OSR-Replica-$Port-In-TCP" -ErrorAction SilentlyContinue
        if ($null -ne $rule) { Remove-NetFirewallRule -InputObject $rule }
    }
}

# Server, share and the rest of a UNC path; three empty strings for a local one. Not exported.
filter Split-OsrPath ([string] $Path) {
    if ($Path -match '^\\\\([^\\]+)\\([^\\]+)\\?(.*)$') { $Matches[1], $Matches[2], $Matches[3] }
    else { '', '', '' }
}

# The identifiers of an account and of the domain groups it is in; none for an account that only
# another computer knows. Asked here: on another computer the domain would be a second hop, which
# the session's credentials do not make. Not exported.
filter Get-OsrAccountSid ([string] $Account) {
    $sidType = [System.Security.Principal.SecurityIdentifier]
    try {
        $own = ([System.Security.Principal.NTAccount] $Account).Translate($sidType).Value
        $own
        $found = ([adsisearcher] "(objectSid=$own)").FindOne()
        if ($null -ne $found) {
            $entry = $found.GetDirectoryEntry()
            $entry.RefreshCache([string[]] 'tokenGroups')
            foreach ($group in $entry.Properties['tokenGroups']) {
                (New-Object $sidType.FullName -ArgumentList $group, 0).Value
            }
        }
    }
    catch { Write-Verbose "The account $Account cannot be resolved here: $_" }
}

function Test-OsrReplicationPath {
    <#
    .SYNOPSIS
        Tells what accounts may do in a path of an offline first copy: NTFS rights, share permission.
    .DESCRIPTION
        Looks at a share on the computer that shares it, and at a local path on the host, and asks
        the domain from here, so that no second hop is needed. Gives one object for each account,
        also when the path is not there. Rights are those of the account, of the domain groups it
        is in, and of the administrative local groups that these are in; a Deny rule counts.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [string] $Path,
        [Parameter(Mandatory = $true)] [string[]] $Account
    )
    $server, $share, $rest = Split-OsrPath -Path $Path
    $target = if ($server) { $server } else { $ComputerName }
    $known = @{}
    foreach ($name in $Account) { $known[$name] = [string[]] @(Get-OsrAccountSid -Account $name) }
    Invoke-Command -ComputerName $target -ArgumentList $Path, $server, $share, $rest, $Account, $known -ScriptBlock {
        param([string] $Path, [string] $Server, [string] $Share, [string] $Rest, [string[]] $Account, [hashtable] $Known)
        $ErrorActionPreference = 'Stop'
        $local = $Path
        $shared = $null
        if ($Server) {
            $shared = Get-SmbShare -Name $Share -ErrorAction SilentlyContinue
            $local = if ($null -eq $shared) { '' } elseif ($Rest) { Join-Path $shared.Path $Rest } else { $shared.Path }
        }
        $exists = [bool] $local -and (Test-Path -LiteralPath $local -PathType Container)
        $sidType = [System.Security.Principal.SecurityIdentifier]
        $everybody = 'S-1-1-0', 'S-1-5-11'
        foreach ($name in $Account) {
            $sids = @($Known[$name])
            if ($sids.Count -eq 0) {
                try { $sids = @(([System.Security.Principal.NTAccount] $name).Translate($sidType).Value) }
                catch { Write-Verbose "The account $name cannot be resolved: $_" }
            }
            if ($sids.Count -gt 0) { $sids += $everybody }
            $groups = @()
            # Administrators, Power Users, Server Operators, Print Operators.
            foreach ($group in 'S-1-5-32-544', 'S-1-5-32-547', 'S-1-5-32-549', 'S-1-5-32-550') {
                $members = @(Get-LocalGroupMember -SID $group -ErrorAction SilentlyContinue | ForEach-Object { $_.SID.Value })
                if (@($members | Where-Object { $sids -contains $_ }).Count -gt 0) {
                    $sids += $group
                    if ($Server) {
                        $groups += (New-Object $sidType.FullName $group).Translate([System.Security.Principal.NTAccount]).Value.Split('\')[-1]
                    }
                }
            }
            $ntfs = 'None'
            if ($exists) {
                $allowed = 0
                $denied = 0
                foreach ($rule in (Get-Acl -LiteralPath $local).GetAccessRules($true, $true, $sidType)) {
                    if ($sids -notcontains $rule.IdentityReference.Value) { continue }
                    if ($rule.AccessControlType -eq 'Deny') { $denied = $denied -bor [int] $rule.FileSystemRights }
                    else { $allowed = $allowed -bor [int] $rule.FileSystemRights }
                }
                $rights = $allowed -band (-bnot $denied)
                foreach ($level in 'FullControl', 'Modify', 'Read') {
                    $mask = [int] [System.Security.AccessControl.FileSystemRights] $level
                    if (($rights -band $mask) -eq $mask) { $ntfs = $level; break }
                }
            }
            $permission = ''
            if ($Server) {
                $permission = 'None'
                if ($null -ne $shared) {
                    $rank = @{ Read = 1; Change = 2; Full = 3 }
                    $best = 0
                    foreach ($rule in Get-SmbShareAccess -Name $Share) {
                        $sid = try { ([System.Security.Principal.NTAccount] $rule.AccountName).Translate($sidType).Value } catch { '' }
                        if ($sids -notcontains $sid) { continue }
                        if ("$($rule.AccessControlType)" -eq 'Deny') { $best = 0; break }
                        $best = [Math]::Max($best, [int] $rank["$($rule.AccessRight)"])
                    }
                    $permission = ('None', 'Read', 'Modify', 'FullControl')[$best]
                }
            }
            [pscustomobject]@{
                Exists          = $exists
                FileServer      = $Server
                Share           = $Share
                Account         = $name
                NtfsRights      = $ntfs
                SharePermission = $permission
                LocalGroups     = [string[]] $groups
            }
        }
    }
}

function Grant-OsrReplicationPath {
    <#
    .SYNOPSIS
        Gives an account full control of a path of an offline first copy: NTFS, and the share.
    .DESCRIPTION
        Adds an inherited rule on the folder and, for a share, the permission Full Control. Takes
        nothing from anybody. Doing it again changes nothing.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [string] $Path,
        [Parameter(Mandatory = $true)] [string] $Account
    )
    $server, $share, $rest = Split-OsrPath -Path $Path
    $target = if ($server) { $server } else { $ComputerName }
    Invoke-Command -ComputerName $target -ArgumentList $Path, $server, $share, $rest, $Account -ScriptBlock {
        param([string] $Path, [string] $Server, [string] $Share, [string] $Rest, [string] $Account)
        $ErrorActionPreference = 'Stop'
        $local = $Path
        if ($Server) {
            $shared = Get-SmbShare -Name $Share
            $local = if ($Rest) { Join-Path $shared.Path $Rest } else { $shared.Path }
            $null = Grant-SmbShareAccess -Name $Share -AccountName $Account -AccessRight Full -Force
        }
        $acl = Get-Acl -LiteralPath $local
        $rule = New-Object System.Security.AccessControl.FileSystemAccessRule -ArgumentList `
            $Account, 'FullControl', 'ContainerInherit, ObjectInherit', 'None', 'Allow'
        $acl.AddAccessRule($rule)
        Set-Acl -LiteralPath $local -AclObject $acl
    }
}

function Get-OsrDelegation {
    <#
    .SYNOPSIS
        Tells what the domain lets a computer do for others: constrained delegation of its account.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName
    )
    $trustedToAuthenticate = 0x1000000
    # The name goes into an LDAP filter; a computer's name has none of the filter's own characters.
    if ($ComputerName -notmatch '^[A-Za-z0-9._-]+$') { throw "'$ComputerName' is no computer's name." }
    $searcher = [adsisearcher] "(&(objectCategory=computer)(|(dNSHostName=$ComputerName)(cn=$ComputerName)))"
    $null = $searcher.PropertiesToLoad.AddRange(
        [string[]] ('objectsid', 'useraccountcontrol', 'msds-allowedtodelegateto'))
    $found = $searcher.FindOne()
    if ($null -eq $found) { throw "The domain has no computer '$ComputerName'." }
    $sid = New-Object System.Security.Principal.SecurityIdentifier -ArgumentList $found.Properties['objectsid'][0], 0
    [pscustomobject]@{
        Account             = $sid.Translate([System.Security.Principal.NTAccount]).Value
        AllowedToDelegateTo = [string[]] @($found.Properties['msds-allowedtodelegateto'])
        ProtocolTransition  = [bool] ([int] $found.Properties['useraccountcontrol'][0] -band $trustedToAuthenticate)
    }
}

function Get-OsrInitialReplication {
    <#
    .SYNOPSIS
        Lists the folders <VMName>_<VMGUID> of exported first copies below a path.
    .DESCRIPTION
        Gives none when the path is not there. Reads names, sizes and times only.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true)] [string] $ComputerName,
        [Parameter(Mandatory = $true)] [string] $Path
    )
    $server, $share, $rest = Split-OsrPath -Path $Path
    $target = if ($server) { $server } else { $ComputerName }
    Invoke-Command -ComputerName $target -ArgumentList $Path, $server, $share, $rest -ScriptBlock {
        param([string] $Path, [string] $Server, [string] $Share, [string] $Rest)
        $ErrorActionPreference = 'Stop'
        $local = $Path
        if ($Server) {
            $shared = Get-SmbShare -Name $Share -ErrorAction SilentlyContinue
            if ($null -eq $shared) { return }
            $local = if ($Rest) { Join-Path $shared.Path $Rest } else { $shared.Path }
        }
        if (-not (Test-Path -LiteralPath $local -PathType Container)) { return }
        $guid = '_[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'
        foreach ($folder in Get-ChildItem -LiteralPath $local -Directory) {
            if ($folder.Name -notmatch $guid) { continue }
            $files = @(Get-ChildItem -LiteralPath $folder.FullName -File -Recurse)
            $size = ($files | Measure-Object -Property Length -Sum).Sum
            $newest = ($files | Measure-Object -Property LastWriteTime -Maximum).Maximum
            [pscustomobject]@{
                Name        = $folder.Name
                Files       = $files.Count
                SizeBytes   = [long] $(if ($null -eq $size) { 0 } else { $size })
                NewestWrite = [datetime] $(if ($null -eq $newest) { $folder.LastWriteTime } else { $newest })
            }
        }
    }
}

function Connect-OsrVirtualNetworkAdapter {
    <#
    .SYNOPSIS
        Connects a machine's network adapter to a subnet of a VM network.
    .DESCRIPTION
        Set-SCVirtualNetworkAdapter takes network and subnet as objects, which a pipeline of data
        cannot carry. The host's switch is the first one on the network's logical network; VMM sets
        the VLAN of the subnet. Gives the adapter.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $VMMServer,
        [Parameter(Mandatory = $true)] [guid] $VirtualNetworkAdapterID,
        [Parameter(Mandatory = $true)] [guid] $VMNetworkID,
        [Parameter(Mandatory = $true)] [guid] $VMSubnetID,
        [Parameter(Mandatory = $true)] [string] $VMHost
    )
    $server = Get-SCVMMServer -ComputerName $VMMServer
    $adapter = Get-SCVirtualNetworkAdapter -VMMServer $server -ID $VirtualNetworkAdapterID
    if ($null -eq $adapter) { throw "VMM has no virtual network adapter '$VirtualNetworkAdapterID'." }
    $network = Get-SCVMNetwork -VMMServer $server -ID $VMNetworkID
    if ($null -eq $network) { throw "VMM has no VM network '$VMNetworkID'." }
    $subnet = @($network.VMSubnet | Where-Object -Property ID -EQ -Value $VMSubnetID)
    if ($subnet.Count -ne 1) { throw "The VM network '$network' has no subnet '$VMSubnetID'." }
    $vmHost = Get-SCVMHost -VMMServer $server -ComputerName $VMHost
    $switch = $null
    foreach ($candidate in Get-SCVirtualNetwork -VMHost $vmHost) {
        if (@($candidate.LogicalNetworks | Where-Object -Property ID -EQ -Value $network.LogicalNetwork.ID).Count) {
            $switch = $candidate
            break
        }
    }
    if ($null -eq $switch) {
        throw "The host '$VMHost' has no virtual switch on the logical network '$($network.LogicalNetwork)'."
    }
    $vlan = @($subnet[0].SubnetVLans | Where-Object -Property IsVlanEnabled -EQ -Value $true)
    $tag = @{ VLanEnabled = [bool] $vlan.Count }
    if ($vlan.Count) { $tag.VLanID = [uint16] $vlan[0].VLanID }
    Set-SCVirtualNetworkAdapter -VirtualNetworkAdapter $adapter -VMNetwork $network `
        -VMSubnet $subnet[0] -VirtualNetwork $switch.Name @tag
}

function Grant-OsrIPAddress {
    <#
    .SYNOPSIS
        Gives an address out of a static pool to a machine's network adapter.
    .DESCRIPTION
        Grant-SCIPAddress takes the pool as an object, which a pipeline of data cannot carry. Gives
        the allocated address.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $VMMServer,
        [Parameter(Mandatory = $true)] [guid] $StaticIPAddressPoolID,
        [Parameter(Mandatory = $true)] [guid] $VirtualNetworkAdapterID,
        [Parameter(Mandatory = $true)] [string] $IPAddress,
        [Parameter(Mandatory = $true)] [string] $Description
    )
    $server = Get-SCVMMServer -ComputerName $VMMServer
    $pool = Get-SCStaticIPAddressPool -VMMServer $server -ID $StaticIPAddressPoolID
    if ($null -eq $pool) { throw "VMM has no static address pool '$StaticIPAddressPoolID'." }
    Grant-SCIPAddress -StaticIPAddressPool $pool -GrantToObjectType VirtualNetworkAdapter `
        -GrantToObjectID $VirtualNetworkAdapterID -IPAddress $IPAddress -Description $Description
}

Export-ModuleMember -Function @(
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
)
